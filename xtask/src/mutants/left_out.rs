//! Code that is not in the build of the tests: twins for models and for other systems. cargo-mutants changes it all the same,
//! and no test could notice. Tests themselves are left out, too, where the tool does not see that they are.

use std::fs;

use crate::tidy::tree;

/// Conditions that are false where the tests are built, or true nowhere else.
const CONDITIONS: [&str; 9] = [
    "loom",
    "shuttle",
    "any(loom, shuttle)",
    "not(target_os = \"linux\")",
    "not(any(target_os = \"linux\", target_os = \"android\"))",
    "not(all(target_os = \"linux\", not(loom)))",
    "any(test, loom)",
    "all(test, not(loom))",
    "all(test, not(any(loom, shuttle)))",
];

/// What is left out of one crate.
#[derive(Default)]
pub(crate) struct LeftOut {
    /// Files, and folders with the slash behind their names.
    files: Vec<String>,
    /// The file, and the first and the last line, counted from 1.
    items: Vec<(String, usize, usize)>,
}

impl LeftOut {
    /// Reads the sources of `name`.
    pub(crate) fn of(name: &str) -> Result<Self, String> {
        let mut left_out = Self::default();
        for path in tree::files(&[&format!("crates/{name}/src")], ".rs")? {
            let shown = tree::shown(&path);
            let text = fs::read_to_string(&path).map_err(|error| format!("{shown}: {error}"))?;
            left_out.scan(&shown, &text);
        }
        Ok(left_out)
    }

    /// Looks for conditions. The end of an item is where rustfmt puts it: below its beginning.
    fn scan(&mut self, file: &str, text: &str) {
        let lines: Vec<&str> = text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            if !is_left_out(line.trim_start()) {
                continue;
            }
            let indent = indent(line);
            let rest = lines[start + 1..].iter().enumerate();
            let mut rest = rest.filter(|(_, line)| self::indent(line) == indent);
            let end = rest.find(|(_, line)| {
                !line.trim_start().starts_with(['#', '/']) && line.ends_with(['}', ';', ','])
            });
            let Some((length, last)) = end else { continue };
            self.items
                .push((file.into(), start + 1, start + 2 + length));
            let module = last.split_whitespace().skip_while(|word| *word != "mod");
            if let Some(module) = module.last().and_then(|name| name.strip_suffix(';')) {
                let folder = folder_of(file);
                self.files.push(format!("{folder}{module}.rs"));
                self.files.push(format!("{folder}{module}/"));
            }
        }
    }

    /// Whether this mutant is in such code.
    pub(crate) fn holds(&self, mutant: &str) -> bool {
        let mut parts = mutant.split(':');
        let (Some(file), Some(line)) = (parts.next(), parts.next()) else {
            return false;
        };
        let line = line.parse().unwrap_or(0);
        let is_there = |left_out: &String| {
            file == left_out || left_out.ends_with('/') && file.starts_with(left_out.as_str())
        };
        let mut items = self.items.iter();
        self.files.iter().any(is_there)
            || items.any(|(name, first, last)| file == name && (*first..=*last).contains(&line))
    }
}

fn is_left_out(line: &str) -> bool {
    let condition = line.strip_prefix("#[cfg(");
    let condition = condition.and_then(|rest| rest.strip_suffix(")]"));
    condition.is_some_and(|condition| CONDITIONS.contains(&condition))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Where the modules of a file are, with the slash.
fn folder_of(file: &str) -> String {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    match name {
        "lib.rs" | "mod.rs" => format!("{folder}/"),
        _ => format!("{}/", file.trim_end_matches(".rs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
#[cfg(loom)]
mod twin;

impl Both {
    #[cfg(not(loom))]
    fn here(&self) -> u8 {
        1
    }

    /// Words.
    #[cfg(any(loom, shuttle))]
    #[inline]
    fn there(&self) -> u8
    where
        Self: Sized,
    {
        2
    }
}
";

    #[test]
    fn items_and_modules_are_left_out() {
        let mut left_out = LeftOut::default();
        left_out.scan("src/some/mod.rs", TEXT);
        let holds = |place: &str| left_out.holds(&format!("{place}:5: replace it"));
        assert!(holds("src/some/twin.rs:7") && holds("src/some/twin/deep.rs:7"));
        assert!(!holds("src/some/twins.rs:7") && !holds("src/twin.rs:7"));
        let here: Vec<usize> = (1..=19)
            .filter(|line| holds(&format!("src/some/mod.rs:{line}")))
            .collect();
        assert_eq!(here, [1, 2, 11, 12, 13, 14, 15, 16, 17, 18]);
    }

    #[test]
    fn the_twins_of_the_lowest_crate_are_found() {
        let left_out = LeftOut::of("arborio-base").unwrap();
        assert!(left_out.holds("crates/arborio-base/src/shuttled.rs:1:1: x"));
        assert!(!left_out.holds("crates/arborio-base/src/budget.rs:1:1: x"));
    }
}
