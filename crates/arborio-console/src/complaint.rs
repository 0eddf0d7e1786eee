//! Errors of the compiler, as a cell's author wants them: the line that was typed, and what is wrong with it.

use evcxr::CompilationError;

/// Prints the errors of a cell.
pub(crate) fn print(cell: &str, errors: &[CompilationError]) {
    for error in errors {
        if error.is_from_user_code() {
            println!("{}", describe(cell, error));
        } else {
            println!("{}", error.rendered().trim_end());
        }
    }
}

fn describe(cell: &str, error: &CompilationError) -> String {
    let code = error.code().map(|code| format!("[{code}]"));
    let mut text = format!("error{}: {}", code.unwrap_or_default(), error.message());
    for place in error.spanned_messages() {
        let Some(span) = &place.span else {
            continue;
        };
        let line = cell.lines().nth(span.start_line - 1).unwrap_or_default();
        let ends_here = span.end_line == span.start_line && span.end_column > span.start_column;
        let width = if ends_here {
            span.end_column - span.start_column
        } else {
            1
        };
        text += &format!(
            "\n  {line}\n  {:indent$}{} {}",
            "",
            "^".repeat(width),
            place.label,
            indent = span.start_column - 1,
        );
    }
    for help in error.help() {
        text += &format!("\nhelp: {help}");
    }
    text
}
