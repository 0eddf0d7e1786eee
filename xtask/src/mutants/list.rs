//! The mutants of a crate, as cargo-mutants lists them. It is asked for the list alone.

use std::ops::Range;

use serde_json::Value;

use super::left_out::LeftOut;
use crate::tool;

/// One small change of the code.
#[derive(Clone, Default)]
pub(crate) struct Mutant {
    /// `file:line:column: what is changed`.
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) genre: Genre,
    /// Where the text begins that is replaced, and where it ends: the line and the character in it, both from 1.
    pub(crate) span: Range<(usize, usize)>,
    /// Empty if the text is just deleted.
    pub(crate) replacement: String,
    /// What the function returns that it lies in, from the arrow on.
    pub(crate) returns: String,
}

/// What is changed.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Genre {
    /// All of a function's body.
    Body,
    Binary,
    Unary,
    Arm,
    Guard,
    /// A field in an expression of a struct, which is left to what stands behind `..`.
    #[default]
    Field,
}

/// Those of a crate, or of some of its files, without code that is in no build of its tests.
pub(crate) fn of(name: &str, files: &[String]) -> Result<Vec<Mutant>, String> {
    let mut command = tool::cargo(["mutants", "--list", "--json", "-p", name]);
    command.args(files.iter().flat_map(|glob| ["--file", glob]));
    let line = tool::show(&command);
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{line}` failed:\n{said}"));
    }
    let list: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("`{line}` printed no JSON: {error}"))?;
    let list = list.as_array().into_iter().flatten();
    let all: Option<Vec<Mutant>> = list.map(mutant).collect();
    let mut all = all.ok_or_else(|| format!("`{line}` printed something else than mutants"))?;
    let left_out = LeftOut::of(name)?;
    all.retain(|mutant| !left_out.holds(&mutant.name));
    Ok(all)
}

fn mutant(value: &Value) -> Option<Mutant> {
    let text = |value: &Value| value.as_str().map(String::from);
    let place = |value: &Value| {
        let number = |name: &str| value[name].as_u64().and_then(|n| usize::try_from(n).ok());
        Some((number("line")?, number("column")?))
    };
    Some(Mutant {
        name: text(&value["name"])?,
        file: text(&value["file"])?,
        genre: match value["genre"].as_str()? {
            "FnValue" => Genre::Body,
            "BinaryOperator" => Genre::Binary,
            "UnaryOperator" => Genre::Unary,
            "MatchArm" => Genre::Arm,
            "MatchArmGuard" => Genre::Guard,
            "StructField" => Genre::Field,
            _ => return None,
        },
        span: place(&value["span"]["start"])?..place(&value["span"]["end"])?,
        replacement: text(&value["replacement"])?,
        returns: text(&value["function"]["return_type"]).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = r#"{
        "name": "a.rs:3:9: replace f -> u8 with 0", "file": "a.rs", "genre": "FnValue", "replacement": "0",
        "function": {"function_name": "f", "return_type": "-> u8"},
        "span": {"start": {"line": 3, "column": 9}, "end": {"line": 4, "column": 2}}
    }"#;

    #[test]
    fn what_is_listed_is_understood_or_refused() {
        let listed: Value = serde_json::from_str(LISTED).unwrap();
        let read = mutant(&listed).unwrap();
        assert_eq!(read.span, (3, 9)..(4, 2));
        assert!(read.genre == Genre::Body && read.replacement == "0");
        assert_eq!(read.returns, "-> u8");
        let unknown = LISTED.replace("FnValue", "Something");
        assert!(mutant(&serde_json::from_str(&unknown).unwrap()).is_none());
    }
}
