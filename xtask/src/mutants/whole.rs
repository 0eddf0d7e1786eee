//! A small crate from its text to the figures: which mutant is on, who meets it, and what counts as noticed.

use std::env;
use std::fs;

use super::copy::Copy;
use super::list::{Genre, Mutant};
use super::tally::{Fate, Tally};
use super::{build, judge, suite, woven};
use crate::tool;
use crate::workspace::Package;

const MANIFEST: &str = r#"
[package]
name = "small"
edition = "2024"

[workspace]
"#;

const LIBRARY: &str = r#"
pub fn seen(n: usize) -> usize { n + 10 }
pub fn passed_over(n: usize) -> usize { n * 20 }
pub fn unmet(n: usize) -> usize { n + 30 }
pub fn hang(mut n: usize) { while n == 40 { n += 1; } }
pub fn hoard(n: usize) { std::hint::black_box(Vec::from_iter((0..n * 50).map(|_| Vec::<u8>::with_capacity(1 << 28)))); }
pub const fn quick(n: usize) -> usize { n + 60 }
pub const fn inner() -> usize { 9 - 1 }
pub const fn outer() -> usize { inner() + 70 }
pub const OUTER: usize = outer() + 80;
pub const fn wanted_by_a_test() -> usize { 91 - 1 }
pub fn named(n: usize) -> usize { n + 100 }

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    const WANTED: usize = wanted_by_a_test();

    #[test]
    fn sees() { assert_eq!((seen(1), quick(WANTED), OUTER), (11, 150, 158)); }

    #[test]
    fn passes_over() { passed_over(1); }

    #[test]
    fn hangs() { hang(40); }

    #[test]
    fn hoards() { hoard(0); }

    /// When it runs for the first time, there is no mutant.
    #[test]
    fn fails_from_the_second_time_on() { assert_eq!((File::create_new("here").is_ok(), passed_over(1)), (true, 20)); }

    #[test]
    fn fails() { assert_eq!((unmet(1), named(1)), (0, 0)); }

    /// It fails unless the mutant is on that is asked for, and that one alone.
    #[test]
    fn names() {
        let expected = match &*std::env::var("ARBORIO_MUTANT").unwrap() {
            "11" => 800 - 100,
            "12" => 800 * 100,
            "13" => 7,
            _ => 800 + 100,
        };
        assert_eq!(named(800), expected);
    }
}
"#;

const IN_CONSTANT: Fate = Fate::NotPlaced("in something constant");

/// What is changed, how, into what, and what should become of it. The first is number 1.
const ROWS: [(&str, &str, Genre, &str, Fate); 13] = [
    ("n + 10", "+", Genre::Binary, "-", Fate::Caught),
    ("n + 10", "n + 10", Genre::Body, "\"\"", Fate::DoesNotBuild),
    ("n * 20", "*", Genre::Binary, "+", Fate::Missed),
    ("n + 30", "+", Genre::Binary, "-", Fate::Unreached),
    ("n += 1", "+=", Genre::Binary, "*=", Fate::OutOfTime),
    ("n * 50", "*", Genre::Binary, "+", Fate::Caught),
    ("n + 60", "+", Genre::Binary, "-", Fate::Caught),
    ("9 - 1", "-", Genre::Binary, "+", IN_CONSTANT),
    ("+ 80", "+", Genre::Binary, "-", IN_CONSTANT),
    ("91 - 1", "-", Genre::Binary, "+", IN_CONSTANT),
    ("n + 100", "+", Genre::Binary, "-", Fate::Missed),
    ("n + 100", "+", Genre::Binary, "*", Fate::Missed),
    ("n + 100", "n + 100", Genre::Body, "7", Fate::Missed),
];

fn mutants() -> Vec<Mutant> {
    let mutant = |(around, changed, genre, replacement, _): (&str, &str, _, &str, _)| {
        let start = LIBRARY.find(around).unwrap() + around.find(changed).unwrap();
        let bytes = start..start + changed.len();
        let mut mutant = woven::mutant(LIBRARY, bytes, genre, replacement);
        mutant.file = "src/lib.rs".into();
        mutant.name = format!("{around}: {changed} with {replacement}");
        mutant
    };
    ROWS.map(mutant).into()
}

#[test]
fn each_mutant_of_a_small_crate_ends_as_it_should() {
    let folder = env::temp_dir().join(format!("arborio-mutants-{}", std::process::id()));
    let copy = Copy::below(&folder);
    fs::create_dir_all(copy.root.join("src")).unwrap();
    copy.write("Cargo.toml", MANIFEST).unwrap();
    copy.write("src/lib.rs", LIBRARY).unwrap();
    let package = Package {
        name: "small".into(),
        folder: tool::root().into(),
        ..Package::default()
    };

    let mut tally = Tally::of(ROWS.len(), mutants());
    build::put_in(&copy, "small", "src/lib.rs", &[], &mut tally).unwrap();
    let tests = suite::build(&copy, &package, &[]).unwrap();
    let useless = judge::judge(&folder, &tests, &mut tally).unwrap();
    fs::remove_dir_all(&folder).unwrap();

    assert_eq!(useless, ["tests::fails"]);
    for (row, (mutant, fate)) in ROWS.iter().zip(tally.fates()) {
        assert_eq!(fate, row.4, "{}", mutant.name);
    }
}
