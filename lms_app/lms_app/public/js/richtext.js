// Lets a text be formatted where it stands. What is sent stays in the textarea, as HTML that the school cleans.

// Commands of the browser, with what they are given; the address of a link is asked for.
const COMMANDS = [
	["bold"],
	["italic"],
	["formatBlock", "h2"],
	["formatBlock", "p"],
	["insertUnorderedList"],
	["insertOrderedList"],
	["formatBlock", "blockquote"],
	["createLink"],
	["removeFormat"],
];
const SIGNS = ["B", "I", "H", "¶", "•", "1.", "❝", "🔗", "⌫"];

// The school cleans what it shows; the editor must not run or fetch anything either before that. allowed: what the school
// lets through, see services.markup.
function clean(html, { tags, attributes, schemes }) {
	const leads = (address) => {
		try {
			return schemes.includes(new URL(address, location.href).protocol.slice(0, -1));
		} catch {
			return false;
		}
	};
	const body = new DOMParser().parseFromString(html, "text/html").body;
	for (const node of [...body.querySelectorAll("*")]) {
		const tag = node.localName;
		if (!tags.includes(tag)) node.replaceWith(...(node.matches("script,style,template,iframe") ? [] : node.childNodes));
		else {
			const known = [...attributes["*"], ...(attributes[tag] ?? [])];
			for (const { name, value } of [...node.attributes]) {
				if (!known.includes(name) || (name === "href" && !leads(value))) node.removeAttribute(name);
			}
		}
	}
	return body.innerHTML;
}

export function enrich(area, names, allowed, touch) {
	const label = area.labels[0];
	const page = document.createElement("div");
	const bar = document.createElement("div");
	const write = () => {
		area.value = clean(page.innerHTML, allowed);
		touch();
	};
	label.id ||= `${area.id}-label`;
	Object.assign(page, { className: "rich prose", contentEditable: "true", innerHTML: clean(area.value, allowed) });
	for (const [name, value] of [["role", "textbox"], ["aria-multiline", "true"], ["aria-labelledby", label.id]]) page.setAttribute(name, value);
	label.addEventListener("click", () => page.focus());
	bar.className = "row tools";
	bar.setAttribute("role", "group");
	bar.setAttribute("aria-label", label.textContent);
	COMMANDS.forEach(([command, value], at) => {
		const button = Object.assign(document.createElement("button"), { type: "button", className: "small", textContent: SIGNS[at], title: names[at] });
		button.setAttribute("aria-label", names[at]);
		// The selection stays in the text.
		button.addEventListener("mousedown", (event) => event.preventDefault());
		button.addEventListener("click", () => {
			page.focus();
			const given = command === "createLink" ? prompt(names[at], "https://") : value;
			if (command === "createLink" && !given) return;
			document.execCommand(command, false, given);
			write();
		});
		bar.append(button);
	});
	page.addEventListener("input", (event) => {
		event.stopPropagation();
		write();
	});
	page.addEventListener("paste", (event) => {
		event.preventDefault();
		const html = event.clipboardData.getData("text/html");
		if (html) document.execCommand("insertHTML", false, clean(html, allowed));
		else document.execCommand("insertText", false, event.clipboardData.getData("text/plain"));
	});
	document.execCommand("defaultParagraphSeparator", false, "p");
	area.hidden = true;
	area.before(bar, page);
}
