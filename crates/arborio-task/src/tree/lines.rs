//! The form of a tree for programs: one line for each entry, columns between tabs.

use std::{
    fmt::{self, Write},
    panic::Location,
    time::Duration,
};

use super::{ScopeInfo, TaskInfo, Tree, TreeEntry, TreeNode, info::By};
use crate::interrupt::{Interrupt, ReasonKind};

/// A [`Tree`] as lines for programs; made by [`Tree::lines`].
///
/// [`Display`](fmt::Display) writes one line for each entry, from the top down, each ended
/// by a line feed. The columns are separated by tabs. They stay as they are: new ones are
/// added on the right, and a column may get new words.
///
/// | column | what | run | scope | task |
/// |---|---|---|---|---|
/// | `depth` | on how many entries it hangs, one above the other | yes | yes | yes |
/// | `kind` | `run`, `scope` or `task` | yes | yes | yes |
/// | `state` | [`TaskState`](crate::TaskState) or [`ScopeStage`](crate::ScopeStage) in small letters | - | yes | yes |
/// | `name` | the name | - | yes | yes |
/// | `at` | where it was opened or spawned: `file:line:column` | - | yes | yes |
/// | `awaited` | `yes` or `no` | - | yes | yes |
/// | `asked` | why it is asked to end: `cancelled`, `aborted`, `deadline`, `scope-failed`, `scope-ended`, `stopping`, `ctrl-c`, `timed-out`, `panicked`, `failed`, `closed`, `no-thread` | - | yes | yes |
/// | `by` | the task or thread that has asked | - | yes | yes |
/// | `by_at` | where in the source it has asked | - | yes | yes |
/// | `age_ns` | how long ago it was opened, in nanoseconds | - | yes | - |
/// | `remaining_ns` | how long until its own deadline, in nanoseconds | - | yes | - |
/// | `tasks` | how many tasks hang on it directly | - | yes | - |
///
/// A column that has nothing to say is `-`. In the others `\t`, `\n` and `\r` stand for
/// tab, line feed and return, `\u{..}` for the character of that hexadecimal number, and a
/// backslash before any other character for that character: a name that is `-` is written
/// `\-`. So no name can break a line or a column.
///
/// # Examples
/// ```
/// use arborio_task::{Lines, NoNotify, SpawnOptions, Tasks, try_spawn};
/// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
/// let main = async {
///     drop(try_spawn(async {}, SpawnOptions::new().name("two\nlines")));
///     let lines = arborio_task::tree().lines().to_string();
///     let last: Vec<_> = lines.lines().last().unwrap().split('\t').collect();
///     assert_eq!(last.len(), Lines::COLUMNS.len());
///     assert_eq!(last[..4], ["1", "task", "new", r"two\nlines"]);
/// };
/// tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    tree: &'a Tree,
}

impl<'a> Lines<'a> {
    /// What the columns are called, from left to right.
    pub const COLUMNS: [&'static str; 12] = [
        "depth",
        "kind",
        "state",
        "name",
        "at",
        "awaited",
        "asked",
        "by",
        "by_at",
        "age_ns",
        "remaining_ns",
        "tasks",
    ];

    pub(super) fn new(tree: &'a Tree) -> Self {
        Self { tree }
    }
}

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree
            .entries()
            .iter()
            .try_for_each(|entry| write_line(f, entry))
    }
}

fn write_line(f: &mut fmt::Formatter<'_>, entry: &TreeEntry) -> fmt::Result {
    write!(f, "{}", entry.depth)?;
    match &entry.node {
        TreeNode::Run => {
            f.write_str("\trun")?;
            (2..Lines::COLUMNS.len()).try_for_each(|_| f.write_str("\t-"))?;
        }
        TreeNode::Scope(scope) => write_scope(f, scope)?,
        TreeNode::Task(task) => write_task(f, task)?,
    }
    f.write_char('\n')
}

fn write_scope(f: &mut fmt::Formatter<'_>, scope: &ScopeInfo) -> fmt::Result {
    write!(f, "\tscope\t{}", scope.stage)?;
    write_name(f, scope.name.as_deref())?;
    write_place(f, scope.opened_at)?;
    write_awaited(f, scope.awaited)?;
    write_asked(f, scope.asked.as_ref())?;
    write_nanos(f, scope.age)?;
    write_nanos(f, scope.remaining)?;
    write!(f, "\t{}", scope.tasks)
}

fn write_task(f: &mut fmt::Formatter<'_>, task: &TaskInfo) -> fmt::Result {
    write!(f, "\ttask\t{}", task.state)?;
    write_name(f, task.name.as_deref())?;
    write_place(f, task.spawned_at)?;
    write_awaited(f, task.awaited)?;
    write_asked(f, task.asked.as_ref())?;
    f.write_str("\t-\t-\t-")
}

fn write_name(f: &mut fmt::Formatter<'_>, name: Option<&str>) -> fmt::Result {
    match name {
        None => f.write_str("\t-"),
        Some("-") => f.write_str("\t\\-"),
        Some(name) => write!(f, "\t{}", Escaped(name)),
    }
}

fn write_place(f: &mut fmt::Formatter<'_>, place: &Location<'_>) -> fmt::Result {
    let file = Escaped(place.file());
    write!(f, "\t{file}:{}:{}", place.line(), place.column())
}

fn write_awaited(f: &mut fmt::Formatter<'_>, awaited: bool) -> fmt::Result {
    f.write_str(if awaited { "\tyes" } else { "\tno" })
}

fn write_asked(f: &mut fmt::Formatter<'_>, asked: Option<&Interrupt>) -> fmt::Result {
    let word = match asked {
        None => "-",
        Some(Interrupt::Cancelled(reason)) => {
            write!(f, "\t{}\t{}", word(reason.kind()), By(reason.requester()))?;
            return write_place(f, reason.location());
        }
        Some(Interrupt::TimedOut) => "timed-out",
        Some(Interrupt::Panicked(_)) => "panicked",
        Some(Interrupt::ScopeFailed) => "failed",
        Some(Interrupt::Closed) => "closed",
        Some(Interrupt::Stopped) => "stopping",
        Some(Interrupt::NoThread(_)) => "no-thread",
    };
    write!(f, "\t{word}\t-\t-")
}

/// The word for the ground of a request.
fn word(kind: ReasonKind) -> &'static str {
    match kind {
        ReasonKind::Cancel => "cancelled",
        ReasonKind::Abort => "aborted",
        ReasonKind::Deadline => "deadline",
        ReasonKind::ScopeFailed => "scope-failed",
        ReasonKind::ScopeEnded => "scope-ended",
        ReasonKind::Stop => "stopping",
        ReasonKind::CtrlC => "ctrl-c",
    }
}

fn write_nanos(f: &mut fmt::Formatter<'_>, time: Option<Duration>) -> fmt::Result {
    match time {
        None => f.write_str("\t-"),
        Some(time) => write!(f, "\t{}", time.as_nanos()),
    }
}

/// Text that stays within its line, its column, and its quotes: what would end them, and
/// what would not be seen, or would turn the rest of the line around, is escaped.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '\t' => f.write_str("\\t"),
            '\n' => f.write_str("\\n"),
            '\r' => f.write_str("\\r"),
            '\\' | '`' => write!(f, "\\{letter}"),
            _ if is_seen(letter) => f.write_char(letter),
            _ => write!(f, "\\u{{{:x}}}", u32::from(letter)),
        })
    }
}

/// Whether a character is shown as itself, in the place where it stands: neither a control
/// character, nor a separator of lines, nor one that has no width or changes the direction.
fn is_seen(letter: char) -> bool {
    let invisible = matches!(
        letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    !letter.is_control() && !invisible
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        TaskState,
        interrupt::{Payload, Reason},
    };

    /// The inverse, written by the rules of [`Lines`] alone.
    fn unescaped(column: &str) -> String {
        let mut text = String::new();
        let mut letters = column.chars();
        while let Some(letter) = letters.next() {
            text.push(match letter {
                '\\' => match letters.next().unwrap() {
                    't' => '\t',
                    'n' => '\n',
                    'r' => '\r',
                    'u' => {
                        let hex: String = letters.by_ref().take_while(|&c| c != '}').collect();
                        let number = hex.strip_prefix('{').unwrap();
                        char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap()
                    }
                    other => other,
                },
                other => other,
            });
        }
        text
    }

    #[test]
    fn t03_every_character_comes_through_and_none_breaks_its_column() {
        for letter in '\0'..=char::MAX {
            let name = format!("a{letter}u{{b}}");
            let escaped = Escaped(&name).to_string();
            assert_eq!(unescaped(&escaped), name);
            let tame = |c: char| !c.is_control() && c != '\u{2028}' && c != '\u{202e}';
            assert!(escaped.chars().all(tame), "{escaped:?}");
        }
    }

    #[test]
    fn t03_no_name_and_a_name_that_looks_like_none_are_told_apart() {
        struct Name(Option<&'static str>);
        impl fmt::Display for Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_name(f, self.0)
            }
        }
        assert_eq!(Name(None).to_string(), "\t-");
        assert_eq!(Name(Some("")).to_string(), "\t");
        assert_eq!(Name(Some("-")).to_string(), "\t\\-");
        assert_eq!(Name(Some("\\-")).to_string(), "\t\\\\-");
        assert_eq!(unescaped("\\-"), "-");
    }

    #[test]
    fn tab_feed_and_return_have_short_names() {
        let escaped = Escaped("a\tb\nc\rd\u{b}").to_string();
        assert_eq!(escaped, r"a\tb\nc\rd\u{b}");
    }

    fn columns(node: TreeNode) -> Vec<String> {
        let entries = vec![TreeEntry { depth: 3, node }];
        let lines = Tree { entries }.lines().to_string();
        let line = lines.strip_suffix('\n').expect("each line is ended");
        line.split('\t').map(str::to_owned).collect()
    }

    fn task(asked: Option<Interrupt>) -> TaskInfo {
        TaskInfo {
            name: Some("cook".into()),
            spawned_at: Location::caller(),
            state: TaskState::Ready,
            awaited: false,
            asked,
        }
    }

    #[test]
    fn each_kind_of_entry_fills_its_columns() {
        let run = columns(TreeNode::Run);
        let mut columns_of_run = vec!["3", "run"];
        columns_of_run.resize(Lines::COLUMNS.len(), "-");
        assert_eq!(run, columns_of_run);

        let info = task(None);
        let at = info.spawned_at;
        let place = format!("{}:{}:{}", at.file(), at.line(), at.column());
        let task = columns(TreeNode::Task(info));
        let columns_of_task = ["3", "task", "ready", "cook", &place, "no"];
        assert_eq!(task[..6], columns_of_task);
        assert_eq!(task[6..], ["-"; 6]);

        let mut info = ScopeInfo::new(at);
        info.age = Some(Duration::from_micros(5));
        info.remaining = Some(Duration::ZERO);
        info.tasks = 4;
        let scope = columns(TreeNode::Scope(info));
        let columns_of_scope = ["3", "scope", "running", "-", &place, "yes"];
        assert_eq!(scope[..6], columns_of_scope);
        assert_eq!(scope[6..], ["-", "-", "-", "5000", "0", "4"]);
    }

    #[test]
    fn who_has_asked_stands_beside_what_for() {
        let kinds = [
            (ReasonKind::Cancel, "cancelled"),
            (ReasonKind::Abort, "aborted"),
            (ReasonKind::Deadline, "deadline"),
            (ReasonKind::ScopeFailed, "scope-failed"),
            (ReasonKind::ScopeEnded, "scope-ended"),
            (ReasonKind::Stop, "stopping"),
            (ReasonKind::CtrlC, "ctrl-c"),
        ];
        for (kind, word) in kinds {
            let reason = std::thread::Builder::new()
                .name("a\tb".into())
                .spawn(move || Reason::new(kind));
            let reason = reason.unwrap().join().unwrap();
            let at = reason.location();
            let place = format!("{}:{}:{}", at.file(), at.line(), at.column());
            let columns = columns(TreeNode::Task(task(Some(Interrupt::Cancelled(reason)))));
            assert_eq!(columns[6..9], [word, r"thread `a\tb`", &place]);
        }
        let refused = std::io::Error::other("none left");
        let others = [
            (Interrupt::TimedOut, "timed-out"),
            (Interrupt::Panicked(Payload::new(Box::new(1))), "panicked"),
            (Interrupt::ScopeFailed, "failed"),
            (Interrupt::Closed, "closed"),
            (Interrupt::Stopped, "stopping"),
            (
                Interrupt::NoThread(std::sync::Arc::new(refused)),
                "no-thread",
            ),
        ];
        for (asked, word) in others {
            let columns = columns(TreeNode::Task(task(Some(asked))));
            assert_eq!(columns[6..9], [word, "-", "-"]);
        }
    }
}
