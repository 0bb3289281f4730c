//! Overrides of a recipe's values by key.

/// ``option `set` KEY=VALUE``, quoted for a shell.
#[must_use]
pub fn as_option(setting: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "=._-,".contains(letter);
    if setting.chars().all(is_plain) {
        format!("option `set` {setting}")
    } else {
        format!("option `set` '{setting}'")
    }
}

/// Sets the value at a dotted key, and adds missing tables. `*` means every existing table; a leading
/// `imperfections` means `devices.*.imperfections`.
pub(in super::super) fn set(table: &mut toml::Table, setting: &str) -> Result<(), String> {
    let (key, value) =
        setting.split_once('=').ok_or("expected key=value, such as training.epochs=20")?;
    let mut path: Vec<&str> = key.trim().split('.').collect();
    if path[0] == "imperfections" {
        path.splice(0..0, ["devices", "*"]);
    }
    // A bare word is not a TOML value; it is taken as a string.
    let value = format!("value = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    insert(table, &path, &value)
}

/// Puts `value` at `path` below `table`.
fn insert(table: &mut toml::Table, path: &[&str], value: &toml::Value) -> Result<(), String> {
    match path {
        [] | [""] => Err("the key is empty".to_owned()),
        [last] => {
            table.insert((*last).to_owned(), value.clone());
            Ok(())
        }
        ["*", rest @ ..] => {
            let mut tables = table.iter_mut().filter_map(|(_, value)| value.as_table_mut());
            tables.try_for_each(|table| insert(table, rest, value))
        }
        [name, rest @ ..] => {
            let empty = || toml::Value::Table(toml::Table::new());
            let next = table.entry(*name).or_insert_with(empty).as_table_mut();
            insert(next.ok_or_else(|| format!("`{name}` is a value, not a table"))?, rest, value)
        }
    }
}
