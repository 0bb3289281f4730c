//! The frame of a report: one HTML page that loads nothing else.

use crate::experiment::provenance::Provenance;

// Charts are drawn black on white, for their files; on a page they take the page's colours. White letters on a
// filled cell are #FFFFFE, which no rule changes.
const STYLE: &str = r##"
:root{color-scheme:light dark;--ink:#1c2430;--paper:#fff;--line:#d5dae1;--soft:#f4f6f8;--chart:#fff;--good:#0a7d57;--fair:#a06a00;--bad:#c0392b}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--paper:#14181e;--line:#38414d;--soft:#1d232b;--chart:#181d24;--good:#2fbf8f;--fair:#e0a93a;--bad:#ff7b6b}
svg :is(polyline,path,line)[stroke="#0072B2"]{stroke:#7d95ff}svg circle[fill="#0072B2"]{fill:#7d95ff}
svg :is(polyline,path,line)[stroke="#D55E00"]{stroke:#ff8436}svg :is(polyline,path,line)[stroke="#009E73"]{stroke:#2fc99b}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0 auto;max-width:1180px;padding:1.5rem;overflow-wrap:anywhere}
@media(max-width:30rem){body{padding:1rem}}
h1{font-size:1.6rem;line-height:1.25;margin:0}h2{font-size:1.2rem;margin:2rem 0 .6rem}p,ul{max-width:70ch}ul{padding-left:1.2rem}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,11rem),1fr));gap:.6rem;padding:0}
.facts div{background:var(--soft);border-radius:.5rem;padding:.5rem .8rem}
.facts dt{font-size:.8rem;opacity:.75}.facts dd{margin:0;font-size:1.15rem;font-variant-numeric:tabular-nums}
.facts.made dd{font-size:.9rem}
.verdict{border-left:.4rem solid var(--line);background:var(--soft);border-radius:.25rem;padding:.6rem .9rem;margin:1rem 0;max-width:none}
.verdict p{margin:.2rem 0;max-width:none}.good{border-color:var(--good)}.fair{border-color:var(--fair)}.bad{border-color:var(--bad)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,34rem),1fr));gap:1rem}
svg{max-width:100%;height:auto;background:var(--chart);border:1px solid var(--line);border-radius:.5rem}
svg [fill="#FFFFFF"]{fill:var(--chart)}svg [fill="#000000"]{fill:var(--ink)}svg [stroke="#000000"]{stroke:var(--ink)}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
table{margin-bottom:1rem;overflow-wrap:normal}th,td{padding:.25rem .55rem;text-align:right;border:1px solid var(--line)}th{font-weight:600}
caption{text-align:left;padding-bottom:.4rem}pre{background:var(--soft);padding:1rem;overflow-x:auto;border-radius:.5rem;overflow-wrap:normal}
"##;

/// The page called `title` around the HTML of its `body`.
pub(super) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <link rel=\"icon\" href=\"data:,\"><title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n\
         {body}</body></html>\n"
    )
}

/// Names and their values, for the top of a page.
pub(super) fn facts(rows: &[(&str, String)]) -> String {
    facts_of("facts", rows)
}

/// The same with another CSS `class`.
pub(super) fn facts_of(class: &str, facts: &[(&str, String)]) -> String {
    let items: String = facts
        .iter()
        .map(|(name, value)| {
            format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value))
        })
        .collect();
    format!("<dl class=\"{class}\">{items}</dl>\n")
}

/// Program, command, times and devices, under a heading; empty for runs without provenance.
pub(super) fn provenance_section(provenance: &Provenance) -> String {
    let Provenance { version, command, began, ended, devices } = provenance;
    if version.is_empty() {
        return String::new();
    }
    let known = [
        ("Program", format!("twinprop {version}")),
        ("Command", command.clone()),
        ("Began", began.clone()),
        ("Ended", ended.clone()),
    ];
    let mut rows: Vec<(&str, String)> =
        known.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    rows.extend(devices.iter().map(|(name, what)| ("Device", format!("{name}: {what}"))));
    format!("<h2>Provenance</h2>\n{}", facts_of("facts made", &rows))
}

/// Charts beside each other under a heading; empty without charts.
pub(super) fn charts<'a>(title: &str, charts: impl Iterator<Item = &'a str>) -> String {
    let charts: String = charts.collect();
    if charts.is_empty() {
        return charts;
    }
    format!("<h2>{}</h2>\n<div class=\"charts\">{charts}</div>\n", escape(title))
}

/// `1234567` as `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `text` with HTML's special characters escaped.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
