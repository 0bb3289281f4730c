//! Options by their name alone: `"huber"` for `{ huber = {} }`.

use std::fmt;
use std::marker::PhantomData;

use schemars::Schema;
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde_json::{Value, json};

/// Reads a variant of an enum by its name, where its options all have defaults, or with options; for
/// `#[serde(deserialize_with = "by_name::read")]`.
///
/// # Errors
/// The deserialiser's own error.
pub fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(ByName(PhantomData))
}

/// The same for an optional value.
///
/// # Errors
/// As [`read`].
pub fn read_optional<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    read(deserializer).map(Some)
}

/// The same for each value of a list.
///
/// # Errors
/// As [`read`].
pub fn read_all<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let all = Vec::<One<T>>::deserialize(deserializer)?;
    Ok(all.into_iter().map(|One(value)| value).collect())
}

/// A value of a list.
struct One<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for One<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer).map(Self)
    }
}

struct ByName<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ByName<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a name, or a table of a name and its options")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        // A variant without options, then one with options.
        T::deserialize(IntoDeserializer::<E>::into_deserializer(name)).or_else(|_: E| {
            let nothing = MapDeserializer::new(std::iter::empty::<(&str, u8)>());
            let named = std::iter::once((name, Nothing(nothing)));
            T::deserialize(MapAccessDeserializer::new(MapDeserializer::new(named)))
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// An empty table as a value.
struct Nothing<D>(D);

impl<'de, E: Error, D: Deserializer<'de, Error = E>> IntoDeserializer<'de, E> for Nothing<D> {
    type Deserializer = D;

    fn into_deserializer(self) -> D {
        self.0
    }
}

/// Adds the names alone to the JSON Schema of an enum whose variants have options; for
/// `#[schemars(transform = by_name::in_schema)]`.
pub fn in_schema(schema: &mut Schema) {
    let Some(Value::Array(variants)) = schema.get_mut("oneOf") else { return };
    let named = variants.iter().filter(|variant| variant["type"] == "object");
    let names: Vec<Value> =
        named.filter_map(|variant| variant["required"].get(0).cloned()).collect();
    if !names.is_empty() {
        let description = "The name alone stands for the defaults of its options.";
        variants.push(json!({ "description": description, "type": "string", "enum": names }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::{JsonSchema, schema_for};

    #[derive(Debug, Default, PartialEq, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Options {
        width: u32,
    }

    #[derive(Debug, PartialEq, serde::Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    #[schemars(transform = in_schema)]
    enum Kind {
        Plain,
        WithOptions(Options),
    }

    #[derive(Debug, serde::Deserialize)]
    struct Recipe {
        #[serde(deserialize_with = "read")]
        kind: Kind,
        #[serde(default, deserialize_with = "read_optional")]
        other: Option<Kind>,
        #[serde(default, deserialize_with = "read_all")]
        more: Vec<Kind>,
    }

    fn parse(text: &str) -> Result<Recipe, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_stands_for_the_defaults_of_its_options() {
        let recipe = parse(r#"{ "kind": "with-options", "other": "plain" }"#).unwrap();
        assert_eq!(recipe.kind, Kind::WithOptions(Options { width: 0 }));
        assert_eq!(recipe.other, Some(Kind::Plain));
        let recipe =
            parse(r#"{ "kind": "plain", "more": ["with-options", { "plain": null }] }"#).unwrap();
        assert_eq!(recipe.more, [Kind::WithOptions(Options { width: 0 }), Kind::Plain]);
        let recipe = parse(r#"{ "kind": { "with-options": { "width": 3 } } }"#).unwrap();
        assert_eq!((recipe.kind, recipe.other), (Kind::WithOptions(Options { width: 3 }), None));
        for (text, words) in [
            (
                r#"{ "kind": "other" }"#,
                "unknown variant `other`, expected `plain` or `with-options`",
            ),
            (r#"{ "kind": { "with-options": { "depth": 3 } } }"#, "unknown field `depth`"),
            (r#"{ "kind": 3 }"#, "expected a name, or a table"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        }
    }

    #[test]
    fn the_schema_has_the_names() {
        let schema = schema_for!(Kind);
        let variants = schema.get("oneOf").and_then(Value::as_array).unwrap();
        assert_eq!(variants.last().unwrap()["enum"], json!(["with-options"]), "{variants:?}");
    }
}
