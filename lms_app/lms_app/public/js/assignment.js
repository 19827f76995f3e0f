// Adds files to an assignment as soon as they are chosen, one after the other: together they may be more than the school's
// server takes at once. Without it they are sent with the form.

const form = document.querySelector("form[data-assignment]");
const input = form?.querySelector("input[type='file']");

function add() {
	const { assignment, version, token, most } = form.dataset;
	const words = JSON.parse(form.dataset.words);
	const list = form.querySelector(".files");
	const pattern = form.querySelector("template");
	const status = form.querySelector("[role='status']");
	const say = (sentence, ...values) => {
		status.textContent = sentence.replace(/\{(\d)\}/g, (_, number) => values[number]);
	};

	async function send(file) {
		const body = new FormData();
		body.append("assignment", assignment);
		body.append("version", version);
		body.append("file", file);
		const answer = await fetch("/api/method/lms_app.api.assignment.upload", {
			method: "POST",
			headers: { "X-Frappe-CSRF-Token": token, Accept: "application/json" },
			body,
		});
		const told = await answer.json().catch(() => ({}));
		if (answer.ok) return told.message;
		const [first] = JSON.parse(told._server_messages ?? "[]");
		throw new Error(first ? JSON.parse(first).message : words.failed);
	}

	function show({ file, file_name, size, address }) {
		const row = pattern.content.cloneNode(true);
		const link = row.querySelector("a");
		link.href = address;
		link.textContent = file_name;
		row.querySelector("span").textContent = `${Math.ceil(size / 1024)} kB`;
		const button = row.querySelector("button");
		button.value = file;
		button.setAttribute("aria-label", words.remove.replace("{0}", file_name));
		list.append(row);
	}

	input.addEventListener("change", async () => {
		const chosen = [...input.files];
		input.value = "";
		input.disabled = true;
		const faults = [];
		for (const [number, file] of chosen.entries()) {
			say(words.adding, file.name, number + 1, chosen.length);
			try {
				show(await send(file));
			} catch (fault) {
				faults.push(`${file.name}: ${fault instanceof TypeError ? words.failed : fault.message}`);
			}
		}
		input.disabled = list.children.length >= Number(most);
		say(faults.length ? faults.join("\n") : words.added);
	});
}

if (input) add();
