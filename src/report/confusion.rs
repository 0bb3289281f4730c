//! Which classes are taken for which.

use std::fmt::Write;

use super::page::escape;

/// A confusion matrix as a table: a row a true class, a column the answer; `what` says what is counted.
pub(super) fn confusion_table(what: &str, classes: &[String], counts: &[Vec<usize>]) -> String {
    let mut table = format!(
        "<div class=\"scroll\"><table><caption>{}: a row is the true class, a column the answer, a cell the \
         number of samples.</caption>\n<tr><th>true \\ answer</th>",
        escape(what)
    );
    for class in classes {
        let _ = write!(table, "<th>{}</th>", escape(class));
    }
    table += "<th>recall</th></tr>\n";
    for (place, (class, row)) in classes.iter().zip(counts).enumerate() {
        let total = row.iter().sum::<usize>().max(1) as f32;
        let _ = write!(table, "<tr><th>{}</th>", escape(class));
        for &count in row {
            let share = count as f32 / total;
            let text = if count == 0 { String::new() } else { count.to_string() };
            let _ =
                write!(table, "<td style=\"background:rgba(0,114,178,{share:.2})\">{text}</td>");
        }
        let _ = writeln!(table, "<td>{:.0} %</td></tr>", 100.0 * row[place] as f32 / total);
    }
    table + "</table></div>\n"
}
