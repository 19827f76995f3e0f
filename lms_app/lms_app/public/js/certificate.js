// The page of a certificate works without this; with it, the link is copied by a button.

for (const button of document.querySelectorAll("[data-copies]")) {
	const field = document.getElementById(button.dataset.copies);
	const said = button.parentElement.querySelector("[role=status]");
	button.hidden = !navigator.clipboard;
	button.addEventListener("click", async () => {
		try {
			await navigator.clipboard.writeText(field.value);
			said.textContent = button.dataset.done;
		} catch {
			// Not allowed here: it is marked, to be copied by hand.
			field.focus();
			field.select();
		}
	});
}
