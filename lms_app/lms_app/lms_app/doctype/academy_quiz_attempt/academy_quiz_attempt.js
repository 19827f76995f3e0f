// What a person has to read is graded here, an answer at a time.

frappe.ui.form.on("Academy Quiz Attempt", {
	refresh(frm) {
		if (frm.doc.state === "In Progress") return;
		for (const answer of frm.doc.answers) {
			const label = __("Answer {0}", [answer.position]);
			frm.add_custom_button(label, () => grade(frm, answer), answer.needs_grade ? __("Grade") : __("Grade Anew"));
		}
	},
});

function grade(frm, answer) {
	const shown = JSON.parse(answer.shown);
	const said = answer.response ? JSON.parse(answer.response) : "";
	const texts = Object.fromEntries([...shown.items, ...shown.targets].map(({ id, text }) => [id, text]));
	const words = (one) => texts[one] ?? one;
	const plain = Array.isArray(said)
		? said.map(words).join("\n")
		: typeof said === "object"
			? Object.entries(said)
					.map(([one, other]) => `${words(one)}: ${words(other)}`)
					.join("\n")
			: words(said);
	// A form shows what may only be read as it is, markup too.
	const dialog = new frappe.ui.Dialog({
		title: __("Answer {0}", [answer.position]),
		fields: [
			{ fieldname: "body", fieldtype: "Small Text", label: __("Question"), default: frappe.utils.escape_html(shown.body), read_only: 1 },
			{ fieldname: "said", fieldtype: "Long Text", label: __("Answer"), default: frappe.utils.escape_html(plain), read_only: 1 },
			{
				fieldname: "points",
				fieldtype: "Float",
				label: __("Points"),
				description: __("{0} at most", [answer.most]),
				default: answer.points,
				reqd: 1,
			},
			{ fieldname: "comment", fieldtype: "Small Text", label: __("Comment"), default: answer.comment },
		],
		primary_action_label: __("Grade"),
		async primary_action({ points, comment }) {
			const told = { attempt: frm.doc.name, position: answer.position, points, comment: comment ?? "" };
			await frappe.call("lms_app.api.quiz.grade", told);
			dialog.hide();
			frm.reload_doc();
		},
	});
	dialog.show();
}
