// What a lesson's page does beyond being read: it reports progress, plays what the reader asked for, and helps cook.
// Without it everything can still be read, completed and noted by plain forms.

const BEAT_MS = 15_000;
const room = document.querySelector(".room");
const { lesson, token } = room?.dataset ?? {};

async function call(method, values, keepalive = false) {
	const answer = await fetch(`/api/method/lms_app.api.progress.${method}`, {
		method: "POST",
		headers: { "Content-Type": "application/json", "X-Frappe-CSRF-Token": token },
		body: JSON.stringify({ lesson, ...values }),
		keepalive,
	});
	if (!answer.ok) throw new Error(String(answer.status));
	return (await answer.json()).message;
}

function report() {
	const video = document.querySelector(".lesson video");
	let since = 0;
	let active = 0;

	const isActive = () => !document.hidden && (document.hasFocus() || (video && !video.paused));
	const settle = () => {
		const now = performance.now();
		if (since) active += now - since;
		since = isActive() ? now : 0;
	};
	const show = (found) => {
		const bar = document.querySelector(".rail progress");
		if (bar) {
			bar.value = found.percent;
			bar.nextElementSibling.textContent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" }).format(
				found.percent / 100,
			);
		}
		if (found.is_completed) {
			document.querySelector(".done-bar .completed")?.removeAttribute("hidden");
			document.querySelector(".rail [aria-current]")?.closest("li")?.classList.add("done");
		}
	};
	const beat = async (keepalive = false) => {
		settle();
		const seconds = Math.round(active / 1000);
		active -= seconds * 1000;
		// Before it is played it stands at the beginning, which is not where the reader was.
		const position = video?.played.length ? Math.floor(video.currentTime) : undefined;
		try {
			show(await call("beat", { seconds, position }, keepalive));
		} catch {
			active += seconds * 1000; // counted with the next one; the server caps what it believes
		}
	};

	for (const event of ["visibilitychange", "focus", "blur"]) addEventListener(event, settle, true);
	addEventListener("pagehide", () => beat(true));
	if (video) {
		const position = Number(room.dataset.position);
		const goOn = () => {
			if (position > 5 && position < video.duration - 5) video.currentTime = position;
		};
		// A video that the browser still has is ready before this is run.
		if (video.readyState >= HTMLMediaElement.HAVE_METADATA) goOn();
		else video.addEventListener("loadedmetadata", goOn, { once: true });
		video.addEventListener("play", settle);
		video.addEventListener("pause", () => beat()); // the end is a pause as well
	}
	beat();
	setInterval(beat, BEAT_MS);
}

function keepNote(form) {
	const saved = form.querySelector(".saved");
	form.addEventListener("submit", async (event) => {
		event.preventDefault();
		try {
			await call("write_note", { text: form.elements.text.value });
			saved.textContent = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "short" }).format();
			saved.prepend("✓ ");
		} catch {
			form.submit(); // the page says what is wrong
		}
	});
}

function openOnDemand(facade) {
	const button = facade.querySelector("button");
	button.hidden = false;
	button.addEventListener("click", () => {
		const frame = document.createElement("iframe");
		Object.assign(frame, {
			src: facade.dataset.address,
			title: facade.dataset.title,
			allow: "fullscreen; picture-in-picture",
			referrerPolicy: "strict-origin-when-cross-origin",
			sandbox: "allow-scripts allow-same-origin allow-popups allow-presentation",
		});
		facade.replaceChildren(frame);
		frame.focus();
	});
}

function scale(recipe) {
	const input = recipe.querySelector("input");
	const servings = Number(recipe.dataset.servings);
	const words = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 2 });
	input.disabled = false;
	input.addEventListener("input", () => {
		if (!input.checkValidity() || !input.value) return;
		for (const amount of recipe.querySelectorAll(".amount")) {
			amount.textContent = words.format((Number(amount.dataset.amount) * Number(input.value)) / servings);
		}
	});
}

function countDown(button) {
	const label = button.textContent;
	let ticking = 0;
	button.hidden = false;
	button.addEventListener("click", () => {
		if (ticking) {
			clearInterval(ticking);
			ticking = 0;
			button.textContent = label;
			button.classList.remove("over");
			return;
		}
		const end = Date.now() + Number(button.dataset.seconds) * 1000;
		const tick = () => {
			const left = Math.max(0, Math.round((end - Date.now()) / 1000));
			button.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
			button.classList.toggle("over", left === 0);
			if (!left) clearInterval(ticking);
		};
		ticking = setInterval(tick, 500);
		button.classList.remove("over");
		tick();
	});
}

// On a phone the outline would come before the lesson in full.
const wide = matchMedia("(min-width: 60rem)");
const fold = () => document.querySelector(".rail details")?.toggleAttribute("open", wide.matches);
wide.addEventListener("change", fold);
fold();
document.querySelectorAll(".facade").forEach(openOnDemand);
document.querySelectorAll(".recipe").forEach(scale);
document.querySelectorAll(".timer").forEach(countDown);
if (lesson) {
	report();
	document.querySelectorAll(".notes form").forEach(keepNote);
}
