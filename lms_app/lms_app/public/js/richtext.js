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
const ALLOWED = "a,b,strong,i,em,u,s,h2,h3,h4,p,br,ul,ol,li,blockquote,code,pre,table,thead,tbody,tr,th,td,hr,div,span,sub,sup";

// The school cleans what it shows; the editor must not run or fetch anything either before that.
function clean(html) {
	const body = new DOMParser().parseFromString(html, "text/html").body;
	for (const node of [...body.querySelectorAll("*")]) {
		if (!node.matches(ALLOWED)) node.replaceWith(...(node.matches("script,style,template,iframe") ? [] : node.childNodes));
		else {
			for (const { name, value } of [...node.attributes]) {
				if (name !== "href" || !/^(https?:|mailto:|tel:|\/|#)/i.test(value)) node.removeAttribute(name);
			}
		}
	}
	return body.innerHTML;
}

export function enrich(area, names, touch) {
	const label = area.labels[0];
	const page = document.createElement("div");
	const bar = document.createElement("div");
	const write = () => {
		area.value = clean(page.innerHTML);
		touch();
	};
	label.id ||= `${area.id}-label`;
	Object.assign(page, { className: "rich prose", contentEditable: "true", innerHTML: clean(area.value) });
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
		if (html) document.execCommand("insertHTML", false, clean(html));
		else document.execCommand("insertText", false, event.clipboardData.getData("text/plain"));
	});
	document.execCommand("defaultParagraphSeparator", false, "p");
	area.hidden = true;
	area.before(bar, page);
}
