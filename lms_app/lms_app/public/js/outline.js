// Modules and lessons of a course are put in their order without loading the page anew: by the buttons that are there
// without this as well, and by dragging them at their grip.

const list = document.querySelector(".modules[data-token]");
const said = document.getElementById("moves");

const modules = () => [...list.querySelectorAll(".module")];
const siblings = (line) => [...line.parentElement.children];
const place = (line) => siblings(line).indexOf(line) + 1;

async function ask(method, values) {
	const answer = await fetch(`/api/method/lms_app.api.teach.${method}`, {
		method: "POST",
		headers: { "Content-Type": "application/json", "X-Frappe-CSRF-Token": list.dataset.token },
		body: JSON.stringify(values),
	});
	if (!answer.ok) throw new Error(String(answer.status));
}

function tell(words, ...parts) {
	said.textContent = parts.reduce((text, part, number) => text.replace(`{${number}}`, part), words);
}

// What a button does without this page's script is written in its form: keep that true.
function renumber() {
	const parents = modules();
	const write = (line, way, module, position, off) => {
		const form = line.querySelector(`:scope > .line [data-way="${way}"]`).form;
		form.elements.module.value = module;
		form.elements.position.value = position;
		form.querySelector("button").disabled = off;
	};
	parents.forEach((module, at) => {
		write(module, "up", "", at, at === 0);
		write(module, "down", "", at + 2, at === parents.length - 1);
		const lessons = [...module.querySelectorAll(".lesson-line")];
		lessons.forEach((line, row) => {
			const before = row ? module : parents[at - 1];
			const after = row < lessons.length - 1 ? module : parents[at + 1];
			write(line, "up", before?.dataset.name ?? "", row || 10_000, !before);
			write(line, "down", after?.dataset.name ?? "", row < lessons.length - 1 ? row + 2 : 1, !after);
		});
	});
}

async function keep(line, back) {
	const isModule = line.matches(".module");
	const values = isModule
		? { module: line.dataset.name, position: place(line) }
		: { lesson: line.dataset.name, module: line.closest(".module").dataset.name, position: place(line) };
	renumber();
	try {
		await ask(isModule ? "place_module" : "place_lesson", values);
		tell(list.dataset.moved, line.dataset.title, place(line));
	} catch {
		back();
		renumber();
		tell(list.dataset.failed);
		said.classList.remove("unseen");
	}
}

function backTo(line) {
	const [parent, next] = [line.parentElement, line.nextElementSibling];
	return () => parent.insertBefore(line, next);
}

function step(line, way) {
	const back = backTo(line);
	const beside = way === "up" ? line.previousElementSibling : line.nextElementSibling;
	if (beside) {
		if (way === "up") beside.before(line);
		else beside.after(line);
	} else {
		const parents = modules();
		const other = parents[parents.indexOf(line.closest(".module")) + (way === "up" ? -1 : 1)]?.querySelector(".lessons");
		if (!other) return;
		if (way === "up") other.append(line);
		else other.prepend(line);
	}
	keep(line, back);
}

list?.addEventListener("submit", (event) => {
	const form = event.target;
	if (!form.dataset.place) return;
	event.preventDefault();
	const button = form.querySelector("button");
	const line = form.closest(".lesson-line, .module");
	step(line, button.dataset.way);
	// At either end the other way is left.
	(button.disabled ? line.querySelector(":scope > .line button:not(:disabled)") : button)?.focus();
});

function drag() {
	let held = null;
	let back = null;
	for (const grip of list.querySelectorAll(".grip")) {
		const line = grip.closest(".lesson-line, .module");
		grip.hidden = false;
		grip.addEventListener("pointerdown", () => (line.draggable = true));
		line.addEventListener("dragstart", (event) => {
			if (held || !line.draggable) return;
			event.stopPropagation();
			[held, back] = [line, backTo(line)];
			event.dataTransfer.effectAllowed = "move";
			event.dataTransfer.setData("text/plain", line.dataset.title);
			line.classList.add("held");
		});
		line.addEventListener("dragend", (event) => {
			line.draggable = false;
			line.classList.remove("held");
			if (held !== line) return;
			// Escape, or a place outside of the list.
			if (event.dataTransfer.dropEffect === "none") back();
			else keep(line, back);
			held = null;
		});
	}
	list.addEventListener("dragover", (event) => {
		if (!held) return;
		event.preventDefault();
		const kind = held.matches(".module") ? ".module" : ".lesson-line";
		const over = event.target.closest(kind);
		if (over === held) return;
		if (over) {
			const box = over.getBoundingClientRect();
			if (event.clientY < box.top + box.height / 2) over.before(held);
			else over.after(held);
		} else if (kind === ".lesson-line") {
			// An empty module has no line to go beside.
			const module = event.target.closest(".module");
			if (module && !module.contains(held)) module.querySelector(".lessons").append(held);
		}
	});
	list.addEventListener("drop", (event) => event.preventDefault());
}

if (list) {
	drag();
	if (location.hash.length > 3) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.focus();
}
