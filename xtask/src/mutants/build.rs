//! One build of all mutants: those that the compiler complains of are taken out, until it is content.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::constants::Plain;
use super::copy::Copy;
use super::errors::{self, Error};
use super::place;
use super::tally::{Fate, Tally};
use super::weave::{self, Blamed, Edit, Woven};
use crate::tool;

/// The function that every switch calls. Its text is no file of Rust here, for it is a part of none of our crates.
const MUTANT_IS: &str = include_str!("mutant_is.txt");

/// The files of a crate, with their mutants.
type Files = BTreeMap<String, File>;

/// A file of the crate.
struct File {
    plain: Plain,
    edits: Vec<Edit>,
}

/// Puts the mutants of `name` into the copy, and settles those that have no place there or do not build. `library` is the
/// file that the crate starts in, and `also` are the crates whose tests meet them, too.
///
/// # Errors
/// The crate does not build for another reason, or none that can be told from its errors.
pub(crate) fn put_in(
    copy: &Copy,
    name: &str,
    library: &str,
    also: &[String],
    tally: &mut Tally,
) -> Result<(), String> {
    let mut files = place_all(copy, library, tally)?;
    let mut check = copy.cargo(&["check", "-q", "--lib", "--all-features"]);
    check.args(["--message-format=json", "-p", name]);
    until_it_builds(&mut check, copy, library, &mut files, tally)?;
    // What calls a function in a constant may be a test, or another crate.
    check.arg("--tests");
    check.args(also.iter().flat_map(|name| ["-p", name]));
    until_it_builds(&mut check, copy, library, &mut files, tally)
}

fn until_it_builds(
    check: &mut Command,
    copy: &Copy,
    library: &str,
    files: &mut Files,
    tally: &mut Tally,
) -> Result<(), String> {
    let line = tool::show(check);
    loop {
        let woven = write(copy, library, files, tally)?;
        let output = check.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let mut errors = errors::read(&String::from_utf8_lossy(&output.stdout));
        let any = put_back(&mut errors, files);
        let blamed = blamed(&errors, &woven);
        if !any && blamed.is_empty() {
            let said: Vec<&str> = errors.iter().map(|error| &*error.rendered).collect();
            let said = format!(
                "{}{}",
                said.concat(),
                String::from_utf8_lossy(&output.stderr)
            );
            return Err(format!(
                "`{line}` failed, and no mutant seems to be why:\n{said}"
            ));
        }
        for (number, fate) in blamed {
            tally.settle(number - 1, fate);
        }
    }
}

/// Writes all files with the mutants that are tried.
fn write(
    copy: &Copy,
    library: &str,
    files: &Files,
    tally: &Tally,
) -> Result<BTreeMap<String, Woven>, String> {
    let mut all = BTreeMap::new();
    for (name, file) in files {
        let chosen = |number| tally.is_tried(number - 1);
        let mut woven = weave::weave(&file.plain.text, &file.edits, chosen);
        if name == library {
            let length = tally.mutants.len() + 1;
            woven.text += &MUTANT_IS.replace("LENGTH", &length.to_string());
        }
        copy.write(name, &woven.text)?;
        all.insert(name.clone(), woven);
    }
    Ok(all)
}

/// Makes functions constant again that are called in constants, and takes out the errors that say so.
fn put_back(errors: &mut Vec<Error>, files: &mut Files) -> bool {
    let is_ours = |error: &mut Error| {
        let called = error.in_constant.as_deref();
        called.is_some_and(|called| files.values().any(|file| file.plain.has(called)))
    };
    let ours: Vec<Error> = errors.extract_if(.., is_ours).collect();
    for called in ours.iter().filter_map(|error| error.in_constant.as_ref()) {
        let files = files.values_mut();
        files.for_each(|file| file.plain.put_back(called));
    }
    !ours.is_empty()
}

/// Looks for the places of all mutants, by files. Those without one are there, too.
fn place_all(copy: &Copy, library: &str, tally: &mut Tally) -> Result<Files, String> {
    let mut by_file = BTreeMap::new();
    for name in copy.sources(library)? {
        by_file.insert(name, Vec::new());
    }
    for (place, mutant) in tally.mutants.iter().enumerate() {
        let file = by_file.entry(mutant.file.clone()).or_insert_with(Vec::new);
        file.push(place);
    }
    let mut files = BTreeMap::new();
    for (name, places) in by_file {
        let told = |error: &dyn std::fmt::Display| format!("{name}: {error}");
        let text = fs::read_to_string(copy.root.join(&name)).map_err(|error| told(&error))?;
        let mutants = places
            .iter()
            .map(|place| (place + 1, &tally.mutants[*place]));
        let mutants: Vec<_> = mutants.collect();
        let plain = Plain::of(text).map_err(|error| told(&error))?;
        let placed = place::place(&plain.text, &mutants).map_err(|error| told(&error))?;
        for (number, fate) in placed.refused {
            tally.settle(number - 1, fate);
        }
        let edits = placed.edits;
        files.insert(name, File { plain, edits });
    }
    Ok(files)
}

/// The mutants that these errors are about, by their numbers, and what follows from it.
fn blamed(errors: &[Error], woven: &BTreeMap<String, Woven>) -> BTreeMap<usize, Fate> {
    let mut fates = BTreeMap::new();
    for error in errors {
        let mut places = error.places.iter();
        let blamed = places.find_map(|place| woven.get(&*place.file)?.blamed(&place.bytes));
        match blamed {
            None => {}
            Some(Blamed::Own(number)) => {
                fates.insert(number, Fate::DoesNotBuild);
            }
            Some(Blamed::Switch(numbers)) => {
                let fate = match error.in_constant.is_some() {
                    true => Fate::NotPlaced("in something constant"),
                    false => Fate::DoesNotBuild,
                };
                for number in numbers {
                    fates.entry(*number).or_insert(fate);
                }
            }
        }
    }
    fates
}

#[cfg(test)]
mod tests {
    use super::super::errors::Place;
    use super::*;

    fn error(file: &str, text: &str, part: &str, in_constant: bool) -> Error {
        let start = text.find(part).unwrap();
        let bytes = start..start + part.len();
        Error {
            rendered: String::new(),
            in_constant: in_constant.then(String::new),
            places: vec![
                Place {
                    file: "elsewhere.rs".into(),
                    bytes: bytes.clone(),
                },
                Place {
                    file: file.into(),
                    bytes,
                },
            ],
        }
    }

    #[test]
    fn what_is_constant_is_no_place_but_what_would_not_build_there_does_not_build() {
        let text = "f { }";
        let body = |mutant, value: &str| Edit::Body {
            at: 3,
            mutant,
            value: value.into(),
        };
        let woven = weave::weave(text, &[body(1, "one"), body(2, "two")], |_| true);
        let text = woven.text.clone();
        let woven = BTreeMap::from([("a.rs".to_owned(), woven)]);
        let not_placed = Fate::NotPlaced("in something constant");

        let fates = |errors: &[Error]| blamed(errors, &woven).into_iter().collect::<Vec<_>>();
        let all = || {
            let part = |part| error("a.rs", &text, part, true);
            ["mutant_is(1)", "mutant_is(2)", "two"].map(part)
        };
        let expected = [(1, not_placed), (2, Fate::DoesNotBuild)];
        assert_eq!(fates(&all()), expected);
        let mut backwards = all();
        backwards.reverse();
        assert_eq!(fates(&backwards), expected);
        let other = error("a.rs", &text, "mutant_is(1)", false);
        assert_eq!(fates(&[other]), [(1, Fate::DoesNotBuild)]);
        assert_eq!(fates(&[error("b.rs", &text, "two", false)]), []);
    }
}
