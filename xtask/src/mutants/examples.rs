//! The examples in the documentation, with cargo-mutants, which builds them anew for each mutant.

use std::fs;
use std::path::Path;

use super::list::Mutant;
use super::tally::{Fate, Tally};
use crate::tool;

/// What cargo-mutants ends with when mutants were missed (2) or ran out of time (3): a result, and no failure of the tool.
const RESULTS: [i32; 3] = [0, 2, 3];

/// The lists that it leaves, one mutant a line, of those that are noticed.
const LISTS: [(&str, Fate); 2] = [
    ("caught.txt", Fate::Caught),
    ("timeout.txt", Fate::OutOfTime),
];

/// Tries what is left, if anything is, and settles what is noticed.
///
/// # Errors
/// The tool failed, for instance since an example fails without any mutant.
pub(crate) fn judge(name: &str, folder: &Path, tally: &mut Tally) -> Result<(), String> {
    let left = tally.left();
    if left.is_empty() {
        return Ok(());
    }
    let mutants = || left.iter().map(|place| &tally.mutants[*place]);
    let mut files: Vec<&str> = mutants().map(|mutant| &*mutant.file).collect();
    files.sort();
    files.dedup();
    eprintln!("$ cargo mutants -p {name} --re ... --test-tool cargo -- --doc");
    let mut command = tool::cargo(["mutants", "-p", name, "--no-times", "--output"]);
    // Debug information doubles the time of a build, and nobody looks at it.
    command.arg(folder).env("CARGO_PROFILE_DEV_DEBUG", "0");
    // A test that takes three times as long as without a mutant hangs, or may as well.
    command.args(["--timeout-multiplier", "3", "--minimum-test-timeout", "20"]);
    command.args(files.iter().flat_map(|file| ["--file", file]));
    command.args(mutants().map(only));
    command.args(["--test-tool", "cargo", "--", "--doc"]);
    let status = command.status().map_err(|error| error.to_string())?;
    if !status.code().is_some_and(|code| RESULTS.contains(&code)) {
        return Err(format!("cargo-mutants failed ({status})"));
    }
    settle(&folder.join("mutants.out"), &left, tally)
}

/// The flag that chooses this mutant: its whole name, as a regular expression.
fn only(mutant: &Mutant) -> String {
    let mut flag = String::from("--re=^");
    for letter in mutant.name.chars() {
        if letter.is_ascii_punctuation() && letter != '<' && letter != '>' {
            flag.push('\\');
        }
        flag.push(letter);
    }
    flag.push('$');
    flag
}

/// The tool tries fields that are left out, too, whether asked to or not: what is not in `left` is passed over.
fn settle(folder: &Path, left: &[usize], tally: &mut Tally) -> Result<(), String> {
    for (name, fate) in LISTS {
        let path = folder.join(name);
        let list = fs::read_to_string(&path);
        let list = list.map_err(|error| format!("{}: {error}", path.display()))?;
        for place in left {
            if list.lines().any(|line| line == tally.mutants[*place].name) {
                tally.settle(*place, fate);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Mutant {
        Mutant {
            name: name.into(),
            ..Mutant::default()
        }
    }

    #[test]
    fn a_name_is_taken_letter_by_letter() {
        let flag = only(&named("a.rs:1: x -> <T>"));
        assert_eq!(flag, r"--re=^a\.rs\:1\: x \-> <T>$");
    }

    #[test]
    fn a_list_that_is_missing_is_an_error() {
        let mut tally = Tally::of(0, Vec::new());
        assert!(settle(Path::new("/nowhere"), &[], &mut tally).is_err());
    }

    #[test]
    fn only_what_is_left_is_settled() {
        let folder = std::env::temp_dir().join(format!("arborio-lists-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("caught.txt"), "a\nb\nnobody\n").unwrap();
        fs::write(folder.join("timeout.txt"), "c\n").unwrap();
        let mut tally = Tally::of(4, ["a", "b", "c", "d"].map(named).into());
        tally.settle(0, Fate::Missed);
        settle(&folder, &[1, 2, 3], &mut tally).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(tally.left(), [0, 3]);
    }
}
