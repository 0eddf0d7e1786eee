//! The public types of the facade, as its sources name them.
//!
//! Only what names things is read: `pub use`, `pub mod`, and items of files that are modules. What a macro makes is
//! found where it is re-exported.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Crates whose types are not ours.
const FOREIGN: &[&str] = &["futures_core", "futures_io", "futures_lite", "std"];

/// The paths of all types and traits, without the name of the crate.
pub(crate) fn public_types() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    scan_crate("arborio", "", &mut names);
    names.retain(|name| !name.starts_with("prelude::"));
    // `sync::Mutex` and `sync::local::Mutex` are the two of `sync::flavour::Mutex`.
    let has_both = |name: &str| {
        let name = name.strip_prefix("sync::flavour::");
        name.is_some_and(|name| names.contains(&format!("sync::local::{name}")))
    };
    let twice: Vec<String> = names
        .iter()
        .filter(|name| has_both(name))
        .cloned()
        .collect();
    names.retain(|name| !twice.contains(name));
    names
}

fn root_of(name: &str) -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    crates.join(name.replace('_', "-")).join("src")
}

fn scan_crate(name: &str, module: &str, names: &mut BTreeSet<String>) {
    let root = root_of(name);
    let text = fs::read_to_string(root.join("lib.rs")).unwrap();
    scan(&words(&text), &root, module, names);
}

/// The file of a module, whose own modules are in `directory/name`.
fn scan_file(directory: &Path, name: &str, module: &str, names: &mut BTreeSet<String>) {
    let beside = directory.join(format!("{name}.rs"));
    let inside = directory.join(name).join("mod.rs");
    let text = fs::read_to_string(beside)
        .or_else(|_| fs::read_to_string(inside))
        .unwrap();
    scan(&words(&text), &directory.join(name), module, names);
}

/// Identifiers, `::`, and other characters, without comments and strings.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            rest = &rest[end..];
            continue;
        } else if first == '"' {
            let mut escaped = false;
            let closes = |c: char| {
                let closes = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            };
            let end = rest[1..].find(closes).map_or(rest.len(), |end| end + 2);
            rest = &rest[end..];
            continue;
        } else if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            words.push(rest[..length].to_owned());
        }
        rest = &rest[length..];
    }
    words
}

/// The first word behind the brackets that open at `from`.
fn behind(words: &[String], from: usize) -> usize {
    let mut depth = 0;
    for (at, word) in words.iter().enumerate().skip(from) {
        match word.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    words.len()
}

/// The first word behind the item that begins at `from`.
fn behind_item(words: &[String], from: usize) -> usize {
    let mut at = from;
    while at < words.len() {
        match words[at].as_str() {
            ";" => return at + 1,
            "{" => return behind(words, at),
            "(" | "[" => at = behind(words, at),
            _ => at += 1,
        }
    }
    at
}

fn scan(words: &[String], directory: &Path, module: &str, names: &mut BTreeSet<String>) {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let (mut at, mut is_hidden) = (0, false);
    while at < words.len() {
        if word(at) == "#" {
            let open = at + 1 + usize::from(word(at + 1) == "!");
            at = behind(words, open);
            is_hidden |= words[open..at].iter().any(|word| word == "hidden");
            continue;
        }
        let is_public = word(at) == "pub" && word(at + 1) != "(" && !is_hidden;
        is_hidden = false;
        let next = match word(at + 1) {
            "use" if is_public => {
                let end = at + words[at..].iter().position(|word| word == ";").unwrap();
                let leaves = leaves(&words[at + 2..end], &[]);
                leaves
                    .iter()
                    .for_each(|path| re_export(path, directory, module, names));
                end + 1
            }
            "mod" if is_public => {
                let name = word(at + 2);
                let inner = format!("{module}{name}::");
                if word(at + 3) == ";" {
                    scan_file(directory, name, &inner, names);
                } else {
                    let end = behind(words, at + 3);
                    scan(
                        &words[at + 4..end - 1],
                        &directory.join(name),
                        &inner,
                        names,
                    );
                }
                behind_item(words, at)
            }
            "struct" | "enum" | "union" | "type" | "trait" if is_public => {
                names.insert(format!("{module}{}", word(at + 2)));
                behind_item(words, at)
            }
            _ => behind_item(words, at),
        };
        at = next;
    }
}

/// The paths that a `use` names; the last word is the new name.
fn leaves(words: &[String], before: &[String]) -> Vec<Vec<String>> {
    let mut path = before.to_vec();
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        match words[at].as_str() {
            "{" => {
                let end = behind(words, at);
                found.extend(leaves(&words[at + 1..end - 1], &path));
                path.clear();
                at = end;
                continue;
            }
            "," => {
                if path.len() > before.len() {
                    found.push(std::mem::take(&mut path));
                }
                path = before.to_vec();
            }
            "::" => {}
            "as" => drop(path.pop()),
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    if path.len() > before.len() {
        found.push(path);
    }
    found
}

fn re_export(path: &[String], directory: &Path, module: &str, names: &mut BTreeSet<String>) {
    let (Some(first), Some(name)) = (path.first(), path.last()) else {
        return;
    };
    if FOREIGN.contains(&first.as_str()) {
        return;
    }
    let is_ours = first.starts_with("arborio_");
    if name == "*" {
        assert!(
            is_ours && path.len() == 2,
            "{path:?}: not known how to read that"
        );
        scan_crate(first, module, names);
    } else if name.starts_with(char::is_uppercase) {
        if name.contains(char::is_lowercase) {
            names.insert(format!("{module}{name}")); // and no constant
        }
    } else if path.len() == 2 {
        // A function, or a module.
        let home = if is_ours {
            root_of(first)
        } else {
            directory.join(first)
        };
        let is_there = |file: PathBuf| file.exists();
        let is_file =
            is_there(home.join(format!("{name}.rs"))) || is_there(home.join(name).join("mod.rs"));
        let root = home.join(if is_ours { "lib.rs" } else { "mod.rs" });
        let text = fs::read_to_string(root).unwrap_or_default();
        if is_file && text.contains(&format!("pub mod {name};")) {
            scan_file(&home, name, &format!("{module}{name}::"), names);
        }
    }
}

#[test]
fn paths_of_a_use_are_read_with_their_new_names() {
    let words = words("arborio_x::{A, b::{C as D, e}, // F\n g::*}");
    let read: Vec<String> = leaves(&words, &[])
        .iter()
        .map(|path| path.join("::"))
        .collect();
    assert_eq!(
        read,
        [
            "arborio_x::A",
            "arborio_x::b::D",
            "arborio_x::b::e",
            "arborio_x::g::*"
        ]
    );
}
