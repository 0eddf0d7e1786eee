//! `cargo xtask examples`: runs every example of every crate and compares what it prints with the
//! transcript at the end of its file. Those of a lower crate show that it works alone.
//!
//! # Conventions
//! The last lines of `crates/<crate>/examples/<name>.rs` are one block of `//` comments:
//!
//! ```text
//! // takes: 1.9s..2.6s
//! // args: 0 --fast
//! // env: NAME=value OTHER=value
//! // prints:
//! // hello
//! //
//! // listening on 127.0.0.1:[..]
//! ```
//!
//! - `prints:` is required; every line after it is one line of standard output, with `// ` taken
//!   away. A bare `//` is an empty line; spaces at the end of a line do not count.
//! - `[..]` stands for anything within a line (a port, a duration).
//! - `takes:` (optional) is the window of allowed wall time, in `s` or `ms`; without it an
//!   example has 30 seconds. One that runs past the window by far is ended.
//! - `args:` and `env:` (optional) are split at spaces.
//! - Standard input is empty, standard error is free, the exit code is 0. A server that ends with
//!   its standard input (`args: 0`, `env: ARBORIO_DEMO_STOP_ON_EOF=1`) is an example like others.
//!
//! Examples are built in the dev profile and run one after the other, so that windows hold.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::built;
use crate::table;
use crate::workspace::{Target, Workspace};
use crate::{Outcome, Verb, tool};

pub(crate) const VERB: Verb = Verb {
    name: "examples",
    usage: "examples [NAME]...",
    summary: "runs the examples and compares what they print with the end of their files",
    run,
};

/// An example without a window may take this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the comment at the end of an example promises.
#[derive(Debug, Default, PartialEq)]
struct Transcript {
    /// Least and most wall time.
    takes: Option<(Duration, Duration)>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    prints: Vec<String>,
}

fn run(arguments: Arguments) -> Outcome {
    let names = arguments.words()?;
    let workspace = Workspace::load()?;
    let mut sources: Vec<(String, PathBuf)> = workspace
        .packages
        .iter()
        .flat_map(|package| &package.targets)
        .filter(|target| target.kind == "example")
        .map(|target| (target.name.clone(), target.source.clone()))
        .collect();
    sources.sort();
    let known = |name: &String| sources.iter().any(|(known, _)| known == name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = sources.iter().map(|(name, _)| name.as_str()).collect();
        return Err(format!(
            "there is no example `{name}`; there are: {}",
            all.join(", ")
        ));
    }
    sources.retain(|(name, _)| names.is_empty() || names.contains(name));
    if sources.is_empty() {
        return Err("there are no examples".into());
    }
    let mut line = vec!["build", "--examples"];
    for package in &workspace.packages {
        let wanted = |target: &Target| {
            let wanted = |(name, _): &(String, _)| *name == target.name;
            target.kind == "example" && sources.iter().any(wanted)
        };
        if package.targets.iter().any(wanted) {
            line.extend(["-p", &package.name]);
        }
    }
    let programs = build(&line)?;
    judge_all(&sources, &programs)
}

fn judge_all(sources: &[(String, PathBuf)], programs: &[(String, PathBuf)]) -> Outcome {
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for (name, source) in sources {
        eprintln!("example {name}");
        let program = programs
            .iter()
            .find(|(built, _)| built == name)
            .map(|(_, path)| path);
        let (result, took) = tool::timed(|| judge(program, source));
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        rows.push(vec![name.clone(), tool::seconds(took), verdict.into()]);
        if let Err(why) = result {
            failures.push(format!("example {name}: {why}"));
        }
    }
    println!(
        "\n{}",
        table::render(&["example", "took", "verdict"], rows).trim_end()
    );
    if failures.is_empty() {
        Ok(Vec::new())
    } else {
        Err(failures.join("\n"))
    }
}

/// Builds with this line and says where the programs lie, by the name of the target.
///
/// # Errors
/// The build failed; cargo has printed why.
pub(crate) fn build(line: &[&str]) -> Result<Vec<(String, PathBuf)>, String> {
    let built = built::programs(&mut tool::cargo(line))?.into_iter();
    Ok(built.map(|built| (built.name, built.program)).collect())
}

/// Runs one example and compares.
fn judge(program: Option<&PathBuf>, source: &Path) -> Result<(), String> {
    let program = program.ok_or("cargo built no program for it")?;
    let text =
        fs::read_to_string(source).map_err(|error| format!("{}: {error}", source.display()))?;
    let transcript = Transcript::parse(&text)?;
    let mut command = Command::new(program);
    command
        .args(&transcript.args)
        .envs(transcript.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(tool::root());
    let (printed, took) = play(&mut command, transcript.patience())?;
    transcript.compare(&printed)?;
    transcript.check_time(took)
}

/// Runs a program to its end, or ends it when it has used up its time.
fn play(command: &mut Command, patience: Duration) -> Result<(String, Duration), String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let start = Instant::now();
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let mut output = child.stdout.take().expect("standard output is piped");
    // A thread of its own, because a full pipe would stop the example.
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes).map(|_| bytes)
    });
    let ended = wait(&mut child, start + patience)?;
    let took = start.elapsed();
    let bytes = reader.join().expect("the reader does not panic");
    let printed = String::from_utf8_lossy(&bytes.map_err(|error| error.to_string())?).into_owned();
    match ended {
        Some(status) if status.success() => Ok((printed, took)),
        Some(status) => Err(format!("it ended with {status} after printing:\n{printed}")),
        None => Err(format!(
            "it was still running after {patience:?}, having printed:\n{printed}"
        )),
    }
}

/// Waits for the end of `child`; kills it at `deadline` and returns `None`.
pub(crate) fn wait(
    child: &mut Child,
    deadline: Instant,
) -> Result<Option<std::process::ExitStatus>, String> {
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child
                .kill()
                .and_then(|()| child.wait())
                .map_err(|error| error.to_string())?;
            return Ok(None);
        }
        // std has no wait with a time limit; a few milliseconds are well inside every window.
        thread::sleep(Duration::from_millis(2));
    }
}

impl Transcript {
    /// Reads the block of comments a file ends with.
    fn parse(source: &str) -> Result<Self, String> {
        let lines: Vec<&str> = source.trim_end().lines().collect();
        let is_comment = |line: &&&str| line.starts_with("//");
        let length = lines.iter().rev().take_while(is_comment).count();
        let block = lines[lines.len() - length..].iter().map(|line| {
            let text = &line[2..];
            text.strip_prefix(' ').unwrap_or(text).trim_end()
        });
        let block: Vec<&str> = block.collect();
        let Some(start) = block.iter().position(|line| *line == "prints:") else {
            return Err("the file does not end with a `// prints:` comment".into());
        };
        let mut transcript = Self::default();
        for setting in &block[..start] {
            transcript.set(setting)?;
        }
        transcript.prints = block[start + 1..]
            .iter()
            .copied()
            .map(String::from)
            .collect();
        Ok(transcript)
    }

    /// Reads one line above `prints:`; a line that is no setting is an ordinary comment.
    fn set(&mut self, line: &str) -> Result<(), String> {
        let Some((name, value)) = line.split_once(": ") else {
            return Ok(());
        };
        let words = value.split_whitespace().map(String::from);
        match name {
            "takes" => {
                let window = value.split_once("..").and_then(|(least, most)| {
                    Some((duration(least)?, duration(most)?)).filter(|(least, most)| least <= most)
                });
                let bad = || format!("`takes: {value}` is no window like 1.9s..2.6s");
                self.takes = Some(window.ok_or_else(bad)?);
            }
            "args" => self.args = words.collect(),
            "env" => {
                for pair in words {
                    let (name, value) = pair
                        .split_once('=')
                        .ok_or_else(|| format!("`env: {pair}` is no NAME=value"))?;
                    self.env.push((name.into(), value.into()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// How long to wait before the example counts as stuck.
    fn patience(&self) -> Duration {
        self.takes.map_or(PATIENCE, |(_, most)| most + PATIENCE)
    }

    fn check_time(&self, took: Duration) -> Result<(), String> {
        match self.takes {
            Some((least, most)) if took < least || took > most => Err(format!(
                "it took {took:.2?}, outside the window {least:?}..{most:?}"
            )),
            _ => Ok(()),
        }
    }

    /// Compares line by line, and shows both texts around the first difference.
    fn compare(&self, printed: &str) -> Result<(), String> {
        let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
        let same = |(wanted, got): (&String, &&str)| matches(wanted, got);
        let agreed = self
            .prints
            .iter()
            .zip(&printed)
            .take_while(|pair| same(*pair))
            .count();
        if agreed == self.prints.len() && agreed == printed.len() {
            return Ok(());
        }
        let show = |line: Option<&str>| line.map_or("(nothing)".into(), |line| format!("{line:?}"));
        Err(format!(
            "line {} of its output differs\n  transcript: {}\n  printed:    {}",
            agreed + 1,
            show(self.prints.get(agreed).map(String::as_str)),
            show(printed.get(agreed).copied()),
        ))
    }
}

/// Whether `line` is `pattern`, in which `[..]` stands for anything.
fn matches(pattern: &str, line: &str) -> bool {
    let Some((before, after)) = pattern.split_once("[..]") else {
        return pattern == line;
    };
    let Some(rest) = line.strip_prefix(before) else {
        return false;
    };
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.into_iter().any(|at| matches(after, &rest[at..]))
}

fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s')?, 1.0),
    };
    let seconds = number.trim().parse::<f64>().ok()? * unit;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
// prints: this is not the end of the file
fn main() {}

// takes: 1.9s..2600ms
// args: 0 --fast
// env: A=1 B=
// prints:
// hello
//
//   indented
// port [..] open
";

    #[test]
    fn the_block_at_the_end_is_read_with_its_settings() {
        let transcript = Transcript::parse(SOURCE).unwrap();
        let window = (Duration::from_millis(1900), Duration::from_millis(2600));
        assert_eq!(transcript.takes, Some(window));
        assert_eq!(transcript.args, ["0", "--fast"]);
        assert_eq!(
            transcript.env,
            [("A".into(), "1".into()), ("B".into(), String::new())]
        );
        assert_eq!(
            transcript.prints,
            ["hello", "", "  indented", "port [..] open"]
        );
    }

    #[test]
    fn a_file_without_a_transcript_or_with_a_bad_window_is_refused() {
        assert!(Transcript::parse("fn main() {}\n// done\n").is_err());
        assert!(Transcript::parse("// prints:\n// x\nfn main() {}\n").is_err());
        for window in ["2s", "3s..2s", "1..2", "-1s..2s"] {
            let source = format!("// takes: {window}\n// prints:\n");
            assert!(Transcript::parse(&source).is_err(), "{window}");
        }
    }

    #[test]
    fn output_that_differs_is_shown_with_its_line() {
        let transcript = Transcript::parse(SOURCE).unwrap();
        assert_eq!(
            transcript.compare("hello\n\n  indented\nport 17 open\n"),
            Ok(())
        );
        let changed = transcript
            .compare("hello\n\nindented\nport 17 open\n")
            .unwrap_err();
        assert!(
            changed.contains("line 3") && changed.contains("\"indented\""),
            "{changed}"
        );
        let short = transcript.compare("hello\n").unwrap_err();
        assert!(
            short.contains("line 2") && short.contains("(nothing)"),
            "{short}"
        );
        let long = transcript
            .compare("hello\n\n  indented\nport 1 open\nmore\n")
            .unwrap_err();
        assert!(long.contains("line 5") && long.contains("more"), "{long}");
    }

    #[test]
    fn a_wildcard_stands_for_anything_within_its_line() {
        assert!(matches("[..]", ""));
        assert!(matches("a [..] b [..]", "a 1 b 2"));
        assert!(matches("[..]ab", "aab"));
        assert!(!matches("a[..]b", "a1c"));
        assert!(!matches("a[..]", "b"));
    }

    #[test]
    fn time_outside_the_window_fails_on_both_sides() {
        let transcript = Transcript::parse(SOURCE).unwrap();
        assert!(transcript.check_time(Duration::from_millis(1800)).is_err());
        assert!(transcript.check_time(Duration::from_millis(2000)).is_ok());
        assert!(transcript.check_time(Duration::from_millis(2700)).is_err());
    }

    #[test]
    fn a_program_that_fails_or_hangs_is_reported() {
        let failing = play(
            Command::new("sh").args(["-c", "echo begun; exit 3"]),
            PATIENCE,
        );
        assert!(failing.unwrap_err().contains("begun"));
        let hanging = play(Command::new("cat").args(["/dev/zero"]), Duration::ZERO);
        assert!(hanging.unwrap_err().contains("still running"));
    }
}
