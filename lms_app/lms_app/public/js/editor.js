// The editor of a lesson without loading the page anew: blocks come, go and move, files are sent as they are chosen, and
// what was typed stays whatever the school answers. Without this the same buttons send the whole form.

import { enrich } from "./richtext.js";

const form = document.getElementById("writing");
const pieces = form.querySelector(".pieces");
const state = form.querySelector(".state");
const words = form.dataset;
let next = pieces.children.length;
let changed = "changed" in form.dataset;
let removed = null;
let saving = false;

const fill = (text, ...parts) => parts.reduce((told, part, at) => told.replace(`{${at}}`, part), text);
const say = (...told) => state.replaceChildren(...told);
const touch = () => {
	changed = true;
	say(words.unsaved);
};

async function ask(method, body, headers = {}) {
	const answer = await fetch(`/api/method/lms_app.api.teach_lesson.${method}`, {
		method: "POST",
		headers: { "X-Frappe-CSRF-Token": words.token, Accept: "application/json", ...headers },
		body,
	});
	return { ok: answer.ok, status: answer.status, said: await answer.json().catch(() => ({})) };
}

// What the school says in words, as Frappe wraps it.
function reasonOf(said) {
	try {
		const wrapped = JSON.parse(said._server_messages).at(-1);
		return new DOMParser().parseFromString(JSON.parse(wrapped).message, "text/html").body.textContent;
	} catch {
		return words.lost;
	}
}

function renumber() {
	const all = [...pieces.children];
	all.forEach((piece, at) => {
		const legend = piece.querySelector("legend");
		legend.textContent = legend.textContent.replace(/\d+/, at + 1);
		piece.id = `piece-${at}`;
		piece.querySelector('[data-way="up"]').disabled = at === 0;
		piece.querySelector('[data-way="down"]').disabled = at === all.length - 1;
	});
	form.querySelector(".none").hidden = all.length > 0;
}

function add(kind) {
	const template = document.querySelector(`template[data-kind="${kind}"]`);
	const holder = document.createElement("template");
	holder.innerHTML = template.innerHTML.replaceAll("b9999", `b${next++}`);
	const piece = holder.content.querySelector(".piece");
	pieces.append(piece);
	prepare(piece);
	renumber();
	touch();
	piece.querySelector("input:not([type=hidden]), textarea, select").focus();
}

function move(piece, way) {
	if (way === "remove") {
		removed = { piece, before: piece.nextElementSibling };
		const beside = piece.nextElementSibling ?? piece.previousElementSibling;
		const at = [...pieces.children].indexOf(piece) + 1;
		piece.remove();
		renumber();
		touch();
		const undo = Object.assign(document.createElement("button"), { type: "button", className: "chip undo", textContent: words.undo });
		say(`${fill(words.removed, at)} `, undo);
		(beside ?? form.querySelector(".adding button")).focus();
		return;
	}
	if (way === "up") piece.previousElementSibling?.before(piece);
	else piece.nextElementSibling?.after(piece);
	renumber();
	touch();
	say(fill(words.moved, [...pieces.children].indexOf(piece) + 1));
	const button = piece.querySelector(`[data-way="${way}"]`);
	(button.disabled ? piece.querySelector("[data-way]:not(:disabled)") : button).focus();
}

function bringBack() {
	pieces.insertBefore(removed.piece, removed.before?.isConnected ? removed.before : null);
	renumber();
	touch();
	removed.piece.focus();
}

// The flat texts that services.lesson_form reads: names without the number of the block.
function told(piece) {
	const found = {};
	for (const field of piece.querySelectorAll("[name]")) {
		const name = field.name.replace(/^b\d+\./, "");
		if (field.type === "file" || field.type === "submit" || name === field.name) continue;
		found[name] = field.type === "checkbox" ? (field.checked ? "1" : "") : field.value;
	}
	return found;
}

function valuesOf() {
	const found = {};
	for (const field of form.querySelectorAll(":scope > .field [name], .about-lesson [name]")) {
		found[field.name] = field.type === "checkbox" ? (field.checked ? "1" : "") : field.value;
	}
	return found;
}

function show(faults) {
	const missing = form.querySelector(".missing");
	missing.hidden = !faults.length;
	missing.querySelector("ul").replaceChildren(
		...faults.map(([number, sentence]) => {
			const line = document.createElement("li");
			const link = number ? line.appendChild(document.createElement("a")) : line;
			if (number) link.href = `#piece-${number - 1}`;
			link.textContent = sentence;
			return line;
		}),
	);
}

async function save(deed, over) {
	// A second one meanwhile would be refused for what the first one has changed.
	if (saving) return;
	saving = true;
	form.setAttribute("aria-busy", "true");
	try {
		await send(deed, over);
	} finally {
		saving = false;
		form.removeAttribute("aria-busy");
	}
}

async function send(deed, over) {
	const clash = form.querySelector(".clash");
	const status = { publish: "Published", draft: "Draft" }[deed] ?? "";
	say(words.saving);
	changed = false;
	const parts = [...pieces.children];
	const sent = { lesson: words.lesson, seen: over || form.elements.seen.value, values: valuesOf(), blocks: parts.map(told), status };
	const { ok, status: code, said } = await ask("save", JSON.stringify(sent), { "Content-Type": "application/json" }).catch(() => ({ ok: false, said: {} }));
	if (ok) {
		const kept = said.message;
		form.elements.seen.value = kept.seen;
		// Wherever they were moved meanwhile.
		parts.forEach((piece, at) => (piece.querySelector('[name$=".anchor"]').value = kept.anchors[at]));
		clash.hidden = true;
		show(kept.faults);
		published(kept.status);
		history.replaceState(null, "", words.address + encodeURIComponent(kept.slug));
		say(changed ? words.unsaved : fill(words.saved, kept.saved));
		return;
	}
	touch();
	if (said.faults) {
		show(said.faults);
		form.querySelector(".missing").scrollIntoView({ block: "center" });
	}
	clash.hidden = false;
	clash.querySelector("p").textContent = code ? reasonOf(said) : words.lost;
	const mine = clash.querySelector("button");
	mine.value = said.seen ?? "";
	mine.dataset.refused = deed;
	clash.querySelector(".row").hidden = !said.seen;
}

function published(status) {
	for (const button of form.querySelectorAll("[data-for]")) button.hidden = button.dataset.for !== status;
	for (const shown of form.querySelectorAll(".bar .status")) {
		shown.textContent = words[status.toLowerCase()];
		shown.className = `status ${status.toLowerCase()}`;
	}
}

function upload(input) {
	const box = input.closest(".upload");
	const told = box.querySelector(".sent");
	const [file] = input.files;
	if (!file) return;
	if (file.size > Number(box.dataset.largest)) {
		told.textContent = words.large;
		input.value = "";
		return;
	}
	const body = new FormData();
	body.append("lesson", words.lesson);
	body.append("kind", box.dataset.upload);
	body.append("file", file);
	// Only this way of asking tells how much has gone.
	const request = new XMLHttpRequest();
	request.open("POST", "/api/method/lms_app.api.teach_lesson.upload");
	request.setRequestHeader("X-Frappe-CSRF-Token", words.token);
	request.setRequestHeader("Accept", "application/json");
	request.upload.onprogress = (event) => (told.textContent = fill(words.sending, Math.floor((event.loaded / event.total) * 100)));
	request.onerror = () => (told.textContent = words.lost);
	request.onload = () => {
		let said = {};
		try {
			said = JSON.parse(request.responseText);
		} catch {
			// The edge answers in HTML.
		}
		input.value = "";
		if (request.status !== 200) {
			told.textContent = request.status === 413 ? words.large : reasonOf(said);
			return;
		}
		told.textContent = "";
		shown(box, said.message);
		touch();
	};
	request.send(body);
}

function shown(box, kept) {
	box.querySelector('[name$=".file"]').value = kept.file;
	const link = box.querySelector(".now a");
	Object.assign(link, { href: kept.address, textContent: kept.file_name, hidden: false });
	const picture = box.querySelector(".now img");
	if (picture) Object.assign(picture, { src: kept.address, hidden: false });
	const seconds = box.closest(".piece").querySelector('[name$=".duration"]');
	if (seconds && ["Video", "Audio"].includes(box.dataset.upload)) {
		const player = document.createElement(box.dataset.upload.toLowerCase());
		player.preload = "metadata";
		player.addEventListener("loadedmetadata", () => {
			if (Number.isFinite(player.duration)) seconds.value = Math.round(player.duration);
		});
		player.src = kept.address;
	}
}

function anotherLine(button) {
	const lines = [...button.parentElement.querySelectorAll(":scope > .one-line")];
	const last = lines.at(-1);
	const copy = last.cloneNode(true);
	const name = last.querySelector("[name]").name;
	const [, begin, number] = name.match(/^(.*\.)(\d+)\.\w+$/);
	const [old, fresh] = [`${begin}${number}.`, `${begin}${Number(number) + 1}.`];
	const dashed = (text) => text.replaceAll(".", "-");
	for (const field of copy.querySelectorAll("*")) {
		for (const attribute of ["id", "for", "name", "aria-describedby"]) {
			const value = field.getAttribute(attribute);
			if (value) field.setAttribute(attribute, value.replace(old, fresh).replace(dashed(old), dashed(fresh)));
		}
		if ("value" in field && field.tagName !== "OPTION" && !["file", "checkbox"].includes(field.type)) field.value = "";
	}
	for (const link of copy.querySelectorAll(".now a")) link.hidden = true;
	last.after(copy);
	copy.querySelector("input:not([type=hidden]), textarea, select").focus();
}

function prepare(piece) {
	for (const button of piece.querySelectorAll(".more-lines")) button.hidden = false;
	piece.querySelectorAll("textarea[data-rich]").forEach((area) => enrich(area, words.toolbar.split("|"), JSON.parse(words.allowed), touch));
}

form.addEventListener("input", touch);
form.addEventListener("change", (event) => {
	if (event.target.type === "file") upload(event.target);
});
form.addEventListener("click", (event) => {
	if (event.target.closest(".more-lines")) anotherLine(event.target.closest(".more-lines"));
	if (event.target.closest(".undo")) bringBack();
});
form.addEventListener("submit", (event) => {
	event.preventDefault();
	const by = event.submitter;
	if (by?.name === "over") save(by.dataset.refused, by.value);
	else if (by?.dataset.way) move(by.closest(".piece"), by.dataset.way);
	else if (by?.value.startsWith("add:")) add(by.value.slice(4));
	else save(by?.value ?? "save");
});
addEventListener("keydown", (event) => {
	if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
		event.preventDefault();
		save("save");
	}
});
addEventListener("beforeunload", (event) => {
	if (changed) event.preventDefault();
});
for (const piece of pieces.children) prepare(piece);
