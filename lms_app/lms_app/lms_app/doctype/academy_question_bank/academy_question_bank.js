// Questions of other programs, written into a bank: all of them, or the reason for each line that cannot be read.

frappe.ui.form.on("Academy Question Bank", {
	refresh(frm) {
		if (!frm.is_new()) frm.add_custom_button(__("Import Questions"), () => ask_for_questions(frm));
	},
});

function ask_for_questions(frm) {
	const dialog = new frappe.ui.Dialog({
		title: __("Import Questions"),
		fields: [
			{ fieldname: "form", fieldtype: "Select", label: __("Format"), options: "GIFT\nCSV", default: "GIFT", reqd: 1 },
			{ fieldname: "text", fieldtype: "Code", label: __("Questions"), reqd: 1 },
			{ fieldname: "faults", fieldtype: "HTML" },
		],
		primary_action_label: __("Import"),
		async primary_action({ form, text }) {
			const { message } = await frappe.call("lms_app.api.quiz.import_questions", { bank: frm.doc.name, form, text });
			if (!message.faults.length) {
				dialog.hide();
				frappe.show_alert({ message: __("{0} questions imported", [message.imported]), indicator: "green" });
				return;
			}
			const lines = message.faults.map(
				({ line, words }) => `<li>${__("Line {0}", [line])}: ${frappe.utils.escape_html(words)}</li>`,
			);
			dialog.fields_dict.faults.$wrapper.html(`<p>${__("Nothing was imported:")}</p><ul>${lines.join("")}</ul>`);
		},
	});
	dialog.show();
}
