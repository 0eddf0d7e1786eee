//! What every Rust file must satisfy: reasons for unsafe code, nothing unfinished, one idea.

use std::fs;

use crate::rust_lines::{self, Line};
use crate::tidy::{Finding, tree};

/// Lines of code between a SAFETY comment and its `unsafe` at most.
const NEAR: usize = 6;

/// Above this a file is worth a look.
const LONG: usize = 700;

/// What marks code that is not finished, or a test that does not run.
const UNFINISHED: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "#[ignore"];

/// Every unsafe block and implementation says why it holds.
pub(super) fn unsafe_without_reason() -> Result<Finding, String> {
    each_file(|lines| {
        let bare = without_reason(lines).into_iter();
        bare.map(|at| (at, "unsafe without a SAFETY comment above it".into()))
            .collect()
    })
}

/// No code is marked as unfinished, and no test is switched off.
pub(super) fn unfinished() -> Result<Finding, String> {
    each_file(unfinished_lines)
}

/// Lists files that may be more than one idea.
pub(super) fn long_files() -> Result<Finding, String> {
    let mut long = Vec::new();
    for path in tree::files(&["crates", "xtask"], ".rs")? {
        let text = read(&path)?;
        let count = text.lines().count();
        if count > LONG {
            long.push(format!("{} has {count} lines", tree::shown(&path)));
        }
    }
    Ok(Finding::notes(long))
}

/// Runs `find` over every file; it returns line numbers from 0 and what is wrong there.
fn each_file(find: impl Fn(&[Line]) -> Vec<(usize, String)>) -> Result<Finding, String> {
    let mut problems = Vec::new();
    for path in tree::files(&["crates", "xtask"], ".rs")? {
        let lines = rust_lines::split(&read(&path)?);
        for (at, what) in find(&lines) {
            problems.push(format!("{}:{}: {what}", tree::shown(&path), at + 1));
        }
    }
    Ok(Finding::problems(problems))
}

fn read(path: &std::path::Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", tree::shown(path)))
}

/// The lines with an unsafe block or implementation and no reason near.
fn without_reason(lines: &[Line]) -> Vec<usize> {
    let bare = |at: &usize| opens_unsafe(&lines[*at].code) && !has_reason(lines, *at);
    (0..lines.len()).filter(bare).collect()
}

/// Whether the line has `unsafe {` or `unsafe impl`; functions state their own contract.
fn opens_unsafe(code: &str) -> bool {
    words_at(code, "unsafe").any(|rest| {
        let rest = rest.trim_start();
        rest.starts_with('{') || rest.starts_with("impl")
    })
}

/// Looks at the line itself and upwards: a comment counts as a whole, however long it is, if it
/// ends within [`NEAR`] lines of code.
fn has_reason(lines: &[Line], at: usize) -> bool {
    let says = |line: &Line| line.comment.contains("SAFETY");
    if says(&lines[at]) {
        return true;
    }
    let mut code = 0;
    for line in lines[..at].iter().rev() {
        if says(line) {
            return true;
        }
        code += usize::from(!line.is_comment());
        if code > NEAR {
            return false;
        }
    }
    false
}

fn unfinished_lines(lines: &[Line]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        for mark in UNFINISHED {
            if words_at(&line.code, mark).next().is_some() {
                found.push((at, format!("{mark} is left in the code")));
            }
        }
    }
    found
}

/// The rest of the line after every `word` that does not continue another word.
fn words_at<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    let starts = move |at: usize| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    let hits = code.match_indices(word).map(|(at, _)| at);
    hits.filter(move |at| starts(*at))
        .map(move |at| &code[at + word.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(source: &str) -> Vec<usize> {
        without_reason(&rust_lines::split(source))
    }

    #[test]
    fn unsafe_with_a_reason_above_or_beside_it_is_fine() {
        assert!(bare("// SAFETY: it holds.\nunsafe { f() }").is_empty());
        assert!(bare("unsafe { f() } // SAFETY: it holds.").is_empty());
        assert!(
            bare("// SAFETY: it holds,\n// because.\n#[inline]\nunsafe impl Send for X {}")
                .is_empty()
        );
        let long = format!(
            "// SAFETY: {}unsafe {{ f() }}",
            "it holds,\n// ".repeat(12) + "still.\n"
        );
        assert!(bare(&long).is_empty());
    }

    #[test]
    fn unsafe_without_a_reason_near_is_found() {
        assert_eq!(bare("fn f() {\n    unsafe { g() }\n}"), [1]);
        assert_eq!(bare("unsafe impl Send for X {}"), [0]);
        let far = format!(
            "// SAFETY: it holds.\n{}unsafe {{ f() }}",
            "g();\n".repeat(7)
        );
        assert_eq!(bare(&far), [8]);
    }

    #[test]
    fn unsafe_functions_and_the_word_in_texts_do_not_count() {
        assert!(bare("pub unsafe fn f() {}").is_empty());
        assert!(bare("// unsafe { f() }\nlet a = \"unsafe { }\"; let not_unsafe = 1;").is_empty());
    }

    #[test]
    fn unfinished_code_is_found_but_not_in_texts_or_longer_words() {
        let found = |source: &str| unfinished_lines(&rust_lines::split(source)).len();
        assert_eq!(found("todo!()"), 1);
        assert_eq!(
            found("#[ignore = \"slow\"]\nfn f() { dbg!(1); unimplemented!() }"),
            3
        );
        assert_eq!(found("// todo!()\n\"todo!()\"; my_todo!(); not_dbg!()"), 0);
    }
}
