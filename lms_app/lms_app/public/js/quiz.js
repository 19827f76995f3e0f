// Takes an attempt: one thing at a time, each answer saved as it is given, kept here while there is no connection, and
// handed in when the time is up. Without it the page is one form that is saved and handed in by its buttons.

const room = document.querySelector(".quiz[data-attempt]");
const MARKS_S = [600, 300, 60];
const TYPING_MS = 800;
const LONGEST_WAIT_MS = 30_000;
const LEAVING_MS = 5000;

class RefusedError extends Error {
	constructor(status, reason) {
		super(String(status));
		this.status = status;
		this.reason = reason;
	}
}

function take() {
	const { attempt, token, perPage, left } = room.dataset;
	const words = JSON.parse(room.dataset.words);
	const form = room.querySelector(".sheet");
	const questions = [...form.querySelectorAll(".question")];
	const state = room.querySelector(".state");
	const announcer = room.querySelector("[aria-live]");
	const key = `attempt:${attempt}`;
	const queue = new Map();
	const typing = new Map();
	let wait = 0;
	let sending = null;
	let leaving = 0;
	let retry = 0;
	let page = 0;

	const say = (sentence, ...values) => sentence.replace(/\{(\d)\}/g, (_, number) => values[number]);
	const tell = (sentence, isTrouble = false) => {
		state.classList.toggle("unsaved", isTrouble);
		if (state.textContent !== sentence) state.textContent = sentence;
	};

	async function call(method, values, keepalive = false) {
		const answer = await fetch(`/api/method/lms_app.api.quiz.${method}`, {
			method: "POST",
			headers: { "Content-Type": "application/json", "X-Frappe-CSRF-Token": token },
			body: JSON.stringify({ attempt, ...values }),
			keepalive,
		});
		const told = await answer.json().catch(() => ({}));
		if (!answer.ok) throw new RefusedError(answer.status, told.reason);
		return told.message;
	}

	// What is answered, in the form in which the server takes it; null for nothing.

	const parts = (question, selector) =>
		[...question.querySelectorAll(selector)].map((one) => [one.dataset.part, one.value]).filter(([, value]) => value.trim());

	function read(question) {
		const ticked = (selector) => [...question.querySelectorAll(selector)];
		switch (question.dataset.kind) {
			case "Single Choice":
			case "True or False":
				return question.querySelector("input:checked")?.value ?? null;
			case "Multiple Choice":
				return ticked("input:checked").map((one) => one.dataset.part);
			case "Ordering":
				return "answered" in question.dataset ? ticked("li").map((one) => one.dataset.part) : null;
			case "Matching":
				return Object.fromEntries(parts(question, "select"));
			case "Cloze":
				return Object.fromEntries(parts(question, ".gap"));
			default:
				return question.querySelector("input, textarea").value;
		}
	}

	function fill(question, response) {
		for (const one of question.querySelectorAll("input, select, textarea")) {
			const { part } = one.dataset;
			if (one.type === "radio") one.checked = one.value === response;
			else if (one.type === "checkbox") one.checked = Boolean(response?.includes(part));
			else if (part) one.value = response?.[part] ?? "";
			else if (!one.closest(".order")) one.value = response ?? "";
		}
		if (question.dataset.kind === "Ordering" && response) {
			const list = question.querySelector(".order");
			for (const part of response) list.append(list.querySelector(`[data-part="${part}"]`));
		}
	}

	const isAnswered = (response) =>
		typeof response === "string" ? response.trim() !== "" : response !== null && Object.keys(response).length > 0;

	// Saving: what is not with the server yet waits in a queue, which outlives the page.

	function remember() {
		try {
			if (queue.size) localStorage.setItem(key, JSON.stringify([...queue]));
			else localStorage.removeItem(key);
		} catch {
			// Where a browser keeps nothing, the queue lasts as long as the page.
		}
	}

	function keep(question) {
		const { position } = question.dataset;
		clearTimeout(typing.get(position));
		typing.delete(position);
		const response = read(question);
		const seq = Number(question.dataset.seq) + 1;
		question.dataset.seq = seq;
		question.toggleAttribute("data-answered", isAnswered(response));
		queue.set(position, { response, seq });
		remember();
		mark();
		return flush();
	}

	function later(question) {
		const { position } = question.dataset;
		clearTimeout(typing.get(position));
		typing.set(
			position,
			setTimeout(() => keep(question), TYPING_MS),
		);
	}

	function keepAll() {
		for (const position of [...typing.keys()]) keep(questions[position - 1]);
	}

	async function send() {
		for (const [position, one] of [...queue]) {
			let kept;
			try {
				kept = await call("save_answer", { position: Number(position), ...one });
			} catch (fault) {
				if (fault.status === 400 && fault.reason) {
					queue.delete(position);
					remember();
					tell(words.refused, true);
					continue;
				}
				throw fault;
			}
			// The next page may have been made before this was saved: what a page sends while it is left stays in the queue.
			if (!leaving && queue.get(position) === one) queue.delete(position);
			remember();
			// Another device was later: what it said is what counts, and what the page shows anew.
			if (!kept.is_kept) return location.reload();
			clock.set(kept.seconds_left);
			tell(say(words.saved, kept.saved));
		}
		wait = 0;
	}

	function flush() {
		sending ??= send()
			.catch((fault) => {
				if (fault.status === 409 || (fault.status === 403 && fault.reason && fault.reason !== "log_in")) {
					queue.clear();
					remember();
					location.reload();
					return;
				}
				const isLoggedOut = fault.status >= 400 && fault.status < 500 && fault.status !== 429;
				tell(isLoggedOut ? words.loggedOut : words.offline, true);
				wait = Math.min(wait * 2 || 2000, LONGEST_WAIT_MS);
			})
			.finally(() => {
				sending = null;
				clearTimeout(retry);
				if (queue.size && !leaving) retry = setTimeout(flush, wait);
			});
		return sending;
	}

	async function handIn() {
		clearTimeout(leaving);
		leaving = 0;
		keepAll();
		while (queue.size) {
			await flush();
			if (wait) return;
		}
		try {
			await call("submit");
			location.replace(location.pathname);
		} catch (fault) {
			if (fault.status === 409) location.replace(location.pathname);
			else tell(words.offline, true);
		}
	}

	// The clock: the server's. Here is only shown what is left by it.

	const clock = {
		ends: null,
		shown: room.querySelector("[role=timer]"),
		set(seconds) {
			if (seconds !== null) this.ends = Date.now() + seconds * 1000;
		},
		tick() {
			const before = this.seconds;
			this.seconds = Math.max(0, Math.round((this.ends - Date.now()) / 1000));
			this.shown.textContent = `${Math.floor(this.seconds / 60)}:${String(this.seconds % 60).padStart(2, "0")}`;
			this.shown.classList.toggle("soon", this.seconds <= 60);
			if (MARKS_S.some((second) => before > second && this.seconds <= second)) {
				const minutes = Math.ceil(this.seconds / 60);
				announcer.textContent = minutes === 1 ? words.minute : say(words.minutes, minutes);
			}
			if (this.seconds === 0 && (before !== 0 || Math.round(Date.now() / 1000) % 15 === 0)) this.end();
		},
		async ask() {
			const found = await call("clock");
			if (!found.is_under_way) location.reload();
			this.set(found.seconds_left);
			return found.seconds_left;
		},
		async end() {
			// Somebody may have given more time meanwhile.
			const seconds = await this.ask().catch(() => 0);
			if (seconds === 0) {
				announcer.textContent = words.over;
				handIn();
			}
		},
	};

	// One page of questions at a time.

	const size = Number(perPage) || questions.length;
	const pages = Math.ceil(questions.length / size);
	const buttons = Object.fromEntries([...form.querySelectorAll("[data-go]")].map((one) => [one.dataset.go, one]));

	function mark() {
		for (const button of form.querySelectorAll("[data-to]")) {
			const question = questions[button.dataset.to - 1];
			const isDone = "answered" in question.dataset;
			button.toggleAttribute("data-answered", isDone);
			button.setAttribute("aria-label", say(isDone ? words.done : words.open, button.dataset.to));
			if (question.hidden) button.removeAttribute("aria-current");
			else button.setAttribute("aria-current", "step");
		}
	}

	function show(number, { focus = true, at = null } = {}) {
		page = Math.min(Math.max(0, number), pages - 1);
		questions.forEach((question, index) => {
			question.hidden = Math.floor(index / size) !== page;
		});
		form.querySelector(".deeds").hidden = false;
		form.querySelector(".sure").hidden = true;
		buttons[-1].hidden = page === 0;
		buttons[1].hidden = page === pages - 1;
		form.querySelector("[value=submit]").hidden = page !== pages - 1;
		const first = questions[at === null ? page * size : at];
		history.replaceState(null, "", `#${first.id}`);
		if (focus) first.focus();
		mark();
	}

	function ask() {
		keepAll();
		const missing = questions.filter((one) => !("answered" in one.dataset)).map((one) => one.dataset.position);
		const sure = form.querySelector(".sure");
		sure.querySelector(".missing").textContent = missing.length
			? say(words.unanswered, missing.join(", "))
			: words.allAnswered;
		for (const one of [...questions, form.querySelector(".deeds")]) one.hidden = true;
		sure.hidden = false;
		sure.focus();
	}

	// Ordering by buttons, for the keyboard as for the finger.

	function order(question) {
		const list = question.querySelector(".order");
		for (const item of list.children) {
			const text = item.querySelector("span").textContent;
			item.querySelector("select").remove();
			for (const [sign, sentence, step] of [
				["↑", words.up, -1],
				["↓", words.down, 1],
			]) {
				const button = document.createElement("button");
				button.type = "button";
				button.className = "plain-button";
				button.textContent = sign;
				button.setAttribute("aria-label", say(sentence, text));
				button.addEventListener("click", () => {
					const other = step < 0 ? item.previousElementSibling : item.nextElementSibling;
					if (!other) return;
					if (step < 0) other.before(item);
					else other.after(item);
					button.focus();
					const place = [...list.children].indexOf(item) + 1;
					announcer.textContent = say(words.place, text, place, list.children.length);
					question.dataset.answered = "";
					keep(question);
				});
				item.append(button);
			}
		}
	}

	function begin() {
		form.querySelectorAll(".question[data-kind=Ordering]").forEach(order);
		try {
			for (const [position, one] of JSON.parse(localStorage.getItem(key)) ?? []) {
				const question = questions[position - 1];
				// What the server has by now came later than what was left here.
				if (!question || one.seq <= Number(question.dataset.seq)) continue;
				fill(question, one.response);
				question.dataset.seq = one.seq;
				question.toggleAttribute("data-answered", isAnswered(one.response));
				queue.set(position, one);
			}
		} catch {
			// Nothing was left here, or nothing that can be read.
		}
		remember();
		form.querySelector("[value=save]").hidden = true;
		form.querySelector(".marks").hidden = questions.length < 2;
		const last = questions.map((one) => one.dataset.saved).sort().at(-1);
		if (last) tell(say(words.saved, last));

		form.addEventListener("input", (event) => {
			const question = event.target.closest(".question");
			if (event.target.matches("[type=text], textarea")) later(question);
			else keep(question);
		});
		form.addEventListener("change", (event) => {
			const question = event.target.closest(".question");
			if (typing.has(question?.dataset.position)) keep(question);
		});
		form.addEventListener("click", ({ target }) => {
			const { go, to, sure } = target.closest("button")?.dataset ?? {};
			if (go || to) keepAll();
			if (go) show(page + Number(go));
			else if (to) show(Math.floor((to - 1) / size), { at: to - 1 });
			else if (sure === "1") handIn();
			else if (sure === "0") show(page);
		});
		form.addEventListener("submit", (event) => {
			event.preventDefault();
			// Enter in a field is no wish to hand in: it means the first button, which saves.
			if (event.submitter?.value === "submit") ask();
		});
		addEventListener("online", flush);
		addEventListener("visibilitychange", () => {
			keepAll();
			flush();
			if (!document.hidden) clock.ask().catch(() => {}); // without a connection the time goes on as it was
		});
		addEventListener("beforeunload", () => {
			clearTimeout(leaving);
			leaving = setTimeout(() => {
				leaving = 0;
				flush();
			}, LEAVING_MS);
		});
		addEventListener("pagehide", () => {
			keepAll();
			for (const [position, one] of queue) {
				call("save_answer", { position: Number(position), ...one }, true).catch(() => {}); // it is in the queue still
			}
		});

		const asked = questions.findIndex((one) => `#${one.id}` === location.hash);
		const open = questions.findIndex((one) => !("answered" in one.dataset));
		show(Math.floor(Math.max(0, asked < 0 ? open : asked) / size), { focus: false });
		if (left !== "") {
			clock.set(Number(left));
			clock.seconds = Number(left);
			setInterval(() => clock.tick(), 1000);
		}
		flush();
	}

	begin();
}

if (room?.querySelector(".sheet")) take();
else if (!document.querySelector(".trouble")) room?.querySelector(".over button")?.click();
