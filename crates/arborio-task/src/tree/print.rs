//! The form of a tree for people: a line for each entry, and lines that show what hangs
//! on what.

use std::fmt::{self, Write};

use super::{Tree, TreeEntry, TreeNode};

/// Levels that are drawn. What is deeper stands in the last column and says how deep it is:
/// otherwise the drawing of a chain would grow with the square of its length.
const DRAWN: usize = 40;

impl fmt::Display for TreeNode {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run => f.write_str("run"),
            Self::Scope(scope) => scope.fmt(f),
            Self::Task(task) => task.fmt(f),
        }
    }
}

/// Like `pstree`: siblings next to each other that read the same, and on which nothing hangs,
/// share a line. What is deeper than 40 levels is not drawn deeper, but with its depth.
impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries();
        if entries.is_empty() {
            return f.write_str("(no tree: it has ended, or belongs to another thread)");
        }
        let siblings_left = siblings_left(entries);
        let mut bars = Vec::new();
        let (mut text, mut next_text) = (String::new(), String::new());
        let mut first = 0;
        while first < entries.len() {
            set_text(&mut text, &entries[first])?;
            let mut last = first;
            while let Some(twin) = twin_of(entries, last) {
                set_text(&mut next_text, twin)?;
                if next_text != text {
                    break;
                }
                last += 1;
            }
            if first > 0 {
                f.write_char('\n')?;
            }
            let depth = entries[first].depth;
            write_bars(f, &mut bars, depth, siblings_left[last])?;
            if last > first {
                write!(f, "{} × ", last - first + 1)?;
            }
            f.write_str(&text)?;
            first = last + 1;
        }
        Ok(())
    }
}

fn set_text(text: &mut String, entry: &TreeEntry) -> fmt::Result {
    text.clear();
    write!(text, "{}", entry.node)
}

/// For each entry whether another one comes later that hangs on the same.
fn siblings_left(entries: &[TreeEntry]) -> Vec<bool> {
    let mut seen = Vec::new(); // by depth, from the end up to here
    let mut left = vec![false; entries.len()];
    for (index, entry) in entries.iter().enumerate().rev() {
        let depth = entry.depth;
        left[index] = seen.get(depth).copied().unwrap_or(false);
        seen.resize(depth, false);
        seen.push(true);
    }
    left
}

/// The entry after this one, if it hangs on the same, and nothing hangs on either.
fn twin_of(entries: &[TreeEntry], index: usize) -> Option<&TreeEntry> {
    let depth = entries[index].depth;
    let twin = entries.get(index + 1)?;
    let is_leaf = entries
        .get(index + 2)
        .is_none_or(|next| next.depth <= depth);
    (twin.depth == depth && is_leaf).then_some(twin)
}

/// What stands in front of an entry. `bars` says of each level above whether more comes.
fn write_bars(
    f: &mut fmt::Formatter<'_>,
    bars: &mut Vec<bool>,
    depth: usize,
    more: bool,
) -> fmt::Result {
    let Some(level) = depth.checked_sub(1) else {
        return Ok(()); // the first entry
    };
    bars.truncate(level);
    for &bar in bars.iter().take(DRAWN) {
        f.write_str(if bar { "│  " } else { "   " })?;
    }
    bars.push(more);
    f.write_str(if more { "├─ " } else { "└─ " })?;
    if level >= DRAWN {
        write!(f, "[{depth}] ")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;
    use crate::{ScopeInfo, TaskInfo, TaskState};

    fn scope(depth: usize, name: &'static str) -> TreeEntry {
        let mut scope = ScopeInfo::new(Location::caller());
        scope.name = Some(name.into());
        let node = TreeNode::Scope(scope);
        TreeEntry { depth, node }
    }

    fn task(depth: usize) -> TreeEntry {
        let node = TreeNode::Task(TaskInfo {
            name: None,
            spawned_at: Location::caller(),
            state: TaskState::Waiting,
            awaited: true,
            asked: None,
        });
        TreeEntry { depth, node }
    }

    /// The drawing without the places.
    fn drawn(entries: Vec<TreeEntry>) -> Vec<String> {
        let drawn = Tree { entries }.to_string();
        let cut = |line: &str| {
            line.rsplit_once(") ")
                .map_or(line, |(line, _)| line)
                .to_owned()
        };
        drawn.lines().map(cut).collect()
    }

    #[test]
    fn lines_show_what_hangs_on_what() {
        let run = TreeEntry {
            depth: 0,
            node: TreeNode::Run,
        };
        let entries = vec![
            run,
            scope(1, "a"),
            scope(2, "b"),
            task(3),
            scope(2, "c"),
            scope(1, "d"),
            scope(2, "e"),
        ];
        let expected = [
            "run",
            "├─ scope `a` (running",
            "│  ├─ scope `b` (running",
            "│  │  └─ task (waiting",
            "│  └─ scope `c` (running",
            "└─ scope `d` (running",
            "   └─ scope `e` (running",
        ];
        assert_eq!(drawn(entries), expected);
    }

    #[test]
    fn twins_share_a_line_and_a_task_with_something_on_it_is_nobodys_twin() {
        let same: Vec<_> = (0..4).map(|_| task(1)).collect();
        let mut entries = vec![scope(0, "top")];
        entries.extend(same);
        entries.push(scope(2, "on the fourth"));
        entries.push(task(1));
        let expected = [
            "scope `top` (running",
            "├─ 3 × task (waiting",
            "├─ task (waiting",
            "│  └─ scope `on the fourth` (running",
            "└─ task (waiting",
        ];
        assert_eq!(drawn(entries), expected);
    }

    #[test]
    fn the_drawing_of_a_chain_does_not_grow_with_the_square_of_its_length() {
        let entries = (0..100_000).map(task).collect();
        let drawn = Tree { entries }.to_string();
        assert!(drawn.len() < 30_000_000, "{}", drawn.len());
        assert!(drawn.lines().last().unwrap().contains("└─ [99999] task"));
    }
}
