//! Errors of the compiler, and the places in the text that they are about.

use std::ops::Range;

use serde_json::Value;

pub(crate) struct Error {
    /// As the compiler prints it.
    pub(crate) rendered: String,
    /// The function that was called where only constant ones may be, as the compiler names it.
    pub(crate) in_constant: Option<String>,
    /// The most important one first.
    pub(crate) places: Vec<Place>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Place {
    /// As seen from the root of the workspace.
    pub(crate) file: String,
    pub(crate) bytes: Range<usize>,
}

/// Reads what cargo prints with `--message-format=json`.
pub(crate) fn read(output: &str) -> Vec<Error> {
    let lines = output.lines();
    let messages = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let messages = messages.map(|mut line| line["message"].take());
    messages
        .filter(|message| {
            message["level"]
                .as_str()
                .is_some_and(|level| level.starts_with("error"))
        })
        .map(|message| error(&message))
        .collect()
}

fn error(message: &Value) -> Error {
    let (mut first, mut then) = (Vec::new(), Vec::new());
    for span in list(&message["spans"]) {
        let to = if span["is_primary"] == true {
            &mut first
        } else {
            &mut then
        };
        to.extend(places(span));
    }
    first.append(&mut then);
    for note in list(&message["children"]) {
        first.extend(list(&note["spans"]).flat_map(places));
    }
    Error {
        rendered: message["rendered"].as_str().unwrap_or_default().into(),
        in_constant: (message["code"]["code"] == "E0015").then(|| called(message)),
        places: first,
    }
}

/// What stands between the first two backticks.
fn called(message: &Value) -> String {
    let said = message["message"].as_str().unwrap_or_default();
    said.split('`').nth(1).unwrap_or_default().into()
}

/// The span, and where it comes from if that is a macro.
fn places(span: &Value) -> Vec<Place> {
    let mut spans = vec![span];
    while let Some(inner) = spans.last().and_then(|span| span["expansion"].get("span")) {
        spans.push(inner);
    }
    let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
    let place = |span: &&Value| {
        Some(Place {
            file: span["file_name"].as_str()?.into(),
            bytes: number(&span["byte_start"])?..number(&span["byte_end"])?,
        })
    };
    spans.iter().filter_map(place).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = r#"{"reason":"compiler-artifact"}
{"reason":"compiler-message","message":{"level":"warning","message":"unused","spans":[]}}
{"reason":"compiler-message","message":{"level":"error","code":{"code":"E0015"},"message":"cannot call non-const method `m::A::<u8>::f` in constants","rendered":"no","spans":[{"file_name":"b.rs","byte_start":5,"byte_end":6,"is_primary":false,"expansion":null},{"file_name":"std.rs","byte_start":1,"byte_end":2,"is_primary":true,"expansion":{"span":{"file_name":"macro.rs","byte_start":2,"byte_end":3,"expansion":{"span":{"file_name":"a.rs","byte_start":3,"byte_end":4}}}}}],"children":[{"spans":[{"file_name":"c.rs","byte_start":7,"byte_end":8}]}]}}
not JSON"#;

    #[test]
    fn the_place_of_an_error_comes_first_then_others_that_it_names() {
        let errors = read(PRINTED);
        let [error] = &errors[..] else {
            panic!("{} errors", errors.len())
        };
        assert_eq!(error.in_constant.as_deref(), Some("m::A::<u8>::f"));
        assert_eq!(error.rendered, "no");
        let places: Vec<_> = error
            .places
            .iter()
            .map(|place| (&*place.file, place.bytes.start))
            .collect();
        assert_eq!(
            places,
            [
                ("std.rs", 1),
                ("macro.rs", 2),
                ("a.rs", 3),
                ("b.rs", 5),
                ("c.rs", 7)
            ]
        );
    }
}
