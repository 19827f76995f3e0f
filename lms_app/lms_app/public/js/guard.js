// Warns before a page is left with something typed that is not saved.

for (const form of document.querySelectorAll("form[data-guard]")) {
	let changed = false;
	form.addEventListener("input", () => (changed = true));
	form.addEventListener("submit", () => (changed = false));
	addEventListener("beforeunload", (event) => {
		if (changed) event.preventDefault();
	});
}
