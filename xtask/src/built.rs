//! What a build of cargo has made, and where it lies.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::tool;

/// A program: a binary, an example, or the tests of a target.
#[derive(Debug, PartialEq)]
pub(crate) struct Built {
    /// That of the target.
    pub(crate) name: String,
    /// The file it starts in.
    pub(crate) source: PathBuf,
    pub(crate) program: PathBuf,
    /// Whether it runs tests.
    pub(crate) tests: bool,
}

/// Lets this command of cargo build, and says what it has built.
///
/// # Errors
/// The build failed; cargo has printed why.
pub(crate) fn programs(command: &mut Command) -> Result<Vec<Built>, String> {
    command
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    let line = tool::show(command);
    let output = command
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed ({})", output.status));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(messages.lines().filter_map(program).collect())
}

fn program(line: &str) -> Option<Built> {
    let message: Value = serde_json::from_str(line).ok()?;
    let target = &message["target"];
    Some(Built {
        name: target["name"].as_str()?.into(),
        source: target["src_path"].as_str()?.into(),
        program: message["executable"].as_str()?.into(),
        tests: message["profile"]["test"] == true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_a_program_says_where_it_lies_and_the_others_say_nothing() {
        let line = r#"{"target":{"name":"loom","src_path":"/c/tests/loom.rs"},"executable":"/t/loom-1","profile":{"test":true}}"#;
        let built = Built {
            name: "loom".into(),
            source: "/c/tests/loom.rs".into(),
            program: "/t/loom-1".into(),
            tests: true,
        };
        assert_eq!(program(line), Some(built));
        assert_eq!(program(&line.replace(r#""/t/loom-1""#, "null")), None);
        assert_eq!(program("not JSON"), None);
    }
}
