// The page of an answer works without this; with it, Ctrl (or ⌘) and Enter keep the grade from anywhere in the form.

const form = document.querySelector(".grader");
form?.addEventListener("keydown", (event) => {
	if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
		event.preventDefault();
		form.requestSubmit();
	}
});
