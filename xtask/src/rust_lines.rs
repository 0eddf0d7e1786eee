//! Splits Rust source into lines of code and of comment, so that a search for a word in the code
//! does not stumble over strings and comments.

/// One line of a file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The code, with the inside of every string and character literal left out.
    pub(crate) code: String,
    /// The text of the comments.
    pub(crate) comment: String,
}

/// What the scanner is inside of at a given character.
enum State {
    Code,
    LineComment,
    /// With its depth: block comments nest.
    BlockComment(usize),
    Text,
    /// With the number of `#` that must follow the closing quote.
    RawText(usize),
}

impl Line {
    /// Whether the line holds a comment and no code.
    pub(crate) fn is_comment(&self) -> bool {
        self.code.trim().is_empty() && !self.comment.is_empty()
    }

    /// Whether the line holds any code.
    pub(crate) fn is_code(&self) -> bool {
        !self.code.trim().is_empty()
    }
}

/// Splits `source`; one entry per line.
pub(crate) fn split(source: &str) -> Vec<Line> {
    let chars: Vec<char> = source.chars().collect();
    let mut lines = vec![Line::default()];
    let mut state = State::Code;
    let mut at = 0;
    while at < chars.len() {
        if chars[at] == '\n' {
            lines.push(Line::default());
            if matches!(state, State::LineComment) {
                state = State::Code;
            }
            at += 1;
            continue;
        }
        let line = lines.last_mut().expect("there is always a line");
        (state, at) = match state {
            State::Code => step_code(&chars, at, line),
            State::LineComment => {
                line.comment.push(chars[at]);
                (State::LineComment, at + 1)
            }
            State::BlockComment(depth) => step_block_comment(&chars, at, depth, line),
            State::Text => step_text(&chars, at, line),
            State::RawText(hashes) => step_raw_text(&chars, at, hashes, line),
        };
    }
    lines
}

fn step_code(chars: &[char], at: usize, line: &mut Line) -> (State, usize) {
    let rest = &chars[at..];
    if rest.starts_with(&['/', '/']) {
        return (State::LineComment, at + 2);
    }
    if rest.starts_with(&['/', '*']) {
        return (State::BlockComment(1), at + 2);
    }
    if rest[0] == '"' {
        line.code.push('"');
        return (State::Text, at + 1);
    }
    if let Some((hashes, length)) = raw_text_start(chars, at) {
        line.code.push('"');
        return (State::RawText(hashes), at + length);
    }
    if let Some(length) = char_literal(rest) {
        line.code.push_str("' '");
        return (State::Code, at + length);
    }
    line.code.push(rest[0]);
    (State::Code, at + 1)
}

fn step_block_comment(chars: &[char], at: usize, depth: usize, line: &mut Line) -> (State, usize) {
    let rest = &chars[at..];
    if rest.starts_with(&['*', '/']) {
        let state = if depth == 1 {
            State::Code
        } else {
            State::BlockComment(depth - 1)
        };
        return (state, at + 2);
    }
    if rest.starts_with(&['/', '*']) {
        return (State::BlockComment(depth + 1), at + 2);
    }
    line.comment.push(rest[0]);
    (State::BlockComment(depth), at + 1)
}

fn step_text(chars: &[char], at: usize, line: &mut Line) -> (State, usize) {
    match chars[at] {
        // An escaped newline must still be seen as the end of the line.
        '\\' if chars.get(at + 1) != Some(&'\n') => (State::Text, at + 2),
        '"' => {
            line.code.push('"');
            (State::Code, at + 1)
        }
        _ => (State::Text, at + 1),
    }
}

fn step_raw_text(chars: &[char], at: usize, hashes: usize, line: &mut Line) -> (State, usize) {
    let closing =
        chars[at] == '"' && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    if closing {
        line.code.push('"');
        return (State::Code, at + 1 + hashes);
    }
    (State::RawText(hashes), at + 1)
}

/// At the `r` of `r"` or `r#"` (a `b` or `c` before it has passed as code): the number of `#` and
/// the length of the opening.
fn raw_text_start(chars: &[char], at: usize) -> Option<(usize, usize)> {
    let before = at.checked_sub(1).map(|before| chars[before]);
    let ends_a_word =
        before.is_some_and(|c| (c.is_alphanumeric() || c == '_') && !matches!(c, 'b' | 'c'));
    if chars[at] != 'r' || ends_a_word {
        return None;
    }
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(at + 1 + hashes) == Some(&'"')).then_some((hashes, hashes + 2))
}

/// The length of the character literal that `rest` begins with; a lifetime is none.
fn char_literal(rest: &[char]) -> Option<usize> {
    if rest[0] != '\'' {
        return None;
    }
    if rest.get(1) == Some(&'\\') {
        let end = rest.iter().skip(3).position(|c| *c == '\'')?;
        return Some(end + 4);
    }
    (rest.get(2) == Some(&'\'')).then_some(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> Vec<String> {
        split(source).into_iter().map(|line| line.code).collect()
    }

    #[test]
    fn comments_and_code_are_told_apart_on_one_line() {
        let lines = split("let a = 1; // one\n/* two /* nested */ still */ b();");
        assert_eq!(lines[0].code, "let a = 1; ");
        assert_eq!(lines[0].comment, " one");
        assert_eq!(lines[1].code, " b();");
        assert!(lines[1].comment.contains("nested"));
    }

    #[test]
    fn the_inside_of_strings_is_left_out() {
        assert_eq!(
            code(r##"f("a // \" b", r#"x " y"#, b"z")"##),
            [r#"f("", "", b"")"#]
        );
        assert_eq!(code("f(\"a\\\n  b\"); c"), ["f(\"", "\"); c"]);
        assert_eq!(code("a\n\"x\ny\"\nb"), ["a", "\"", "\"", "b"]);
    }

    #[test]
    fn character_literals_are_no_quotes_and_lifetimes_are_no_literals() {
        assert_eq!(code(r"f('\'', '\\', '\u{1F}') // x"), ["f(' ', ' ', ' ') "]);
        assert_eq!(code("f('\"') // x"), ["f(' ') "]);
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), ["fn f<'a>(x: &'a str) {}"]);
    }
}
