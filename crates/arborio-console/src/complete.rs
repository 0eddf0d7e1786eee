//! Whether a cell is complete: whether each bracket, string and comment that is opened is closed.
//!
//! In doubt a cell counts as complete, and the compiler says what is wrong with it.

/// Whether nothing in `cell` is still open.
pub(crate) fn is_complete(cell: &str) -> bool {
    let mut rest = cell;
    let mut open = 0_i32;
    while let Some(c) = rest.chars().next() {
        let Some(after) = skip(rest) else {
            return false;
        };
        if after.len() < rest.len() {
            rest = after;
            continue;
        }
        match c {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open -= 1,
            _ => {}
        }
        rest = &rest[c.len_utf8()..];
    }
    open <= 0
}

/// What follows the comment or literal that `text` begins with, or all of it if it begins with none. `None`
/// if its end is missing.
fn skip(text: &str) -> Option<&str> {
    if text.starts_with("//") {
        return Some(text.find('\n').map_or("", |at| &text[at..]));
    }
    if text.starts_with("/*") {
        return after_comment(text);
    }
    if let Some(inside) = text.strip_prefix('"') {
        return after_string(inside);
    }
    if let Some(inside) = text.strip_prefix('\'') {
        return Some(after_char(inside).unwrap_or(text));
    }
    if text.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return after_word(text);
    }
    Some(text)
}

/// Comments nest.
fn after_comment(text: &str) -> Option<&str> {
    let (mut depth, mut rest) = (0, text);
    loop {
        if let Some(inside) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, inside);
        } else if let Some(outside) = rest.strip_prefix("*/") {
            (depth, rest) = (depth - 1, outside);
            if depth == 0 {
                return Some(rest);
            }
        } else {
            rest = &rest[rest.chars().next()?.len_utf8()..];
        }
    }
}

fn after_string(inside: &str) -> Option<&str> {
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(&inside[at + 1..]),
            _ => {}
        }
    }
    None
}

/// Behind a character; `None` for the name of a lifetime.
fn after_char(inside: &str) -> Option<&str> {
    let first = inside.chars().next()?;
    let rest = &inside[first.len_utf8()..];
    if first != '\\' {
        return rest.strip_prefix('\'');
    }
    let escaped = rest.chars().next()?.len_utf8();
    let end = rest[escaped..].find('\'')?;
    Some(&rest[escaped + end + 1..])
}

/// Behind a name, or behind the raw string that it introduces.
fn after_word(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    match rest[hashes..].strip_prefix('"') {
        Some(inside) if matches!(word, "r" | "br" | "cr") => {
            let close = format!("\"{}", "#".repeat(hashes));
            let at = inside.find(&close)?;
            Some(&inside[at + close.len()..])
        }
        _ => Some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_complete_when_every_bracket_is_closed() {
        assert!(is_complete("let x = f(1, [2]);"));
        assert!(!is_complete("async fn f() {"));
        assert!(!is_complete("async fn f() {\n    g().await"));
        assert!(is_complete("async fn f() {\n    g().await\n}"));
        assert!(is_complete("oops)"), "the compiler says what is wrong");
    }

    #[test]
    fn brackets_in_strings_characters_and_comments_do_not_count() {
        for cell in [
            "\"{\\\"(\"",
            "'{'",
            "'\\''",
            "'\\u{7d}'",
            "1 // {",
            "/* { /* ( */ */ 1",
            "r#\"\"{\"#",
            "b'('",
        ] {
            assert!(is_complete(cell), "{cell}");
        }
        for cell in ["\"abc", "/* /* */", "r#\"x\"", "f('(', {"] {
            assert!(!is_complete(cell), "{cell}");
        }
    }

    #[test]
    fn the_name_of_a_lifetime_opens_nothing() {
        assert!(is_complete("fn f<'a>(x: &'a str) -> &'a str { x }"));
        assert!(!is_complete("fn f<'a>(x: &'a str) -> &'a str {"));
    }
}
