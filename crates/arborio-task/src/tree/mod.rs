//! The task tree as plain data: what hangs where, and what is known of it.
//!
//! A [`Tree`] is a list of entries in the order in which they are printed, each with its
//! depth, so that nothing here recurses: a tree may be deeper than the stack. Scopes are
//! branches; what builds on a branch says what it knows of it ([`Describe`]), because this
//! crate knows no time.
//!
//! * `walk` reads the hub. It runs no foreign code before it is done with the lists.
//! * `info` is what is known of one task or scope.
//! * `print` is the form for people, `lines` the stable one for programs.

mod info;
mod lines;
mod print;
pub(crate) mod walk;

use std::{any::Any, sync::Arc};

pub(crate) use info::write_name;
pub use info::{ScopeInfo, ScopeStage, TaskInfo, TaskState};
pub use lines::Lines;

/// What builds on a branch: it says what is known of it.
///
/// # Examples
/// ```
/// use arborio_task::{Branch, Describe, ScopeInfo, Tasks};
/// struct Kitchen;
/// impl Describe for Kitchen {
///     fn describe(&self) -> ScopeInfo {
///         let mut info = ScopeInfo::new(std::panic::Location::caller());
///         info.name = Some("kitchen".into());
///         info
///     }
/// }
/// let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
/// let main = async {
///     let branch = Branch::enter(std::sync::Arc::new(Kitchen)).expect("a loop runs");
///     let tree = branch.tree();
///     assert_eq!(tree.scopes().next().unwrap().name.as_deref(), Some("kitchen"));
/// };
/// tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
/// ```
pub trait Describe: Any + Send + Sync {
    /// What is known of the branch. How many tasks it has, and whether it is waited for,
    /// is filled in by who asks.
    fn describe(&self) -> ScopeInfo;

    /// Called on the thread of its loop after [`Branch::leave_abroad`](crate::Branch::leave_abroad):
    /// nobody sees to the branch any more.
    fn left_abroad(self: Arc<Self>) {}

    /// Fills `slot`, an `Option<T>`, if it can be had as a `T`: see
    /// [`Branch::current_owner`](crate::Branch::current_owner). It cannot, unless this says otherwise.
    fn give(self: Arc<Self>, slot: &mut dyn Any) {
        let _ = slot;
    }
}

/// A branch on which nothing builds.
impl Describe for () {
    fn describe(&self) -> ScopeInfo {
        ScopeInfo::new(std::panic::Location::caller())
    }
}

/// The scopes and tasks of a loop, or of one scope, as they were at one moment.
///
/// A scope hangs on the task that entered it, or, if that task hangs on something else
/// than the scope around (or has ended), on the scope around. Under one entry come first
/// the tasks, in the order in which they were spawned, then the scopes, in the order in
/// which they were entered. Tasks that have ended are left out.
///
/// [`Display`](std::fmt::Display) draws it for people; [`lines`](Self::lines) is for
/// programs.
///
/// # Examples
/// ```
/// use arborio_task::{NoNotify, SpawnOptions, Tasks, try_spawn};
/// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
/// let main = async {
///     let cook = try_spawn(async {}, SpawnOptions::new().name("cook")).ok().unwrap();
///     let drawn = arborio_task::tree().to_string();
///     assert!(drawn.starts_with("run\n├─ task `main` (running) "));
///     assert!(drawn.contains("\n└─ task `cook` (new) "));
///     cook.await.unwrap();
/// };
/// tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tree {
    entries: Vec<TreeEntry>,
}

/// One line of a [`Tree`].
///
/// # Examples
/// ```
/// use arborio_task::{NoNotify, Tasks, TreeNode};
/// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
/// let main = async {
///     let tree = arborio_task::tree();
///     let [run, main] = tree.entries() else { panic!("two lines") };
///     assert!(matches!((run.depth, &run.node), (0, TreeNode::Run)));
///     assert!(matches!((main.depth, &main.node), (1, TreeNode::Task(_))));
/// };
/// tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TreeEntry {
    /// On how many entries it hangs, one above the other; 0 is the first entry alone.
    pub depth: usize,
    /// What it is.
    pub node: TreeNode,
}

/// What hangs in a [`Tree`]; see [`TreeEntry`] for an example.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TreeNode {
    /// The loop itself.
    Run,
    /// A scope.
    Scope(ScopeInfo),
    /// A task.
    Task(TaskInfo),
}

impl TreeNode {
    /// Whether somebody waits for it to end.
    fn is_awaited(&self) -> bool {
        match self {
            Self::Run => true,
            Self::Scope(scope) => scope.awaited,
            Self::Task(task) => task.awaited,
        }
    }
}

impl Tree {
    /// Puts the lines of another loop's tree behind those of this one.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{NoNotify, Tasks, Tree};
    /// let mut trees = Tree::default();
    /// for _ in 0..2 {
    ///     let main = async { arborio_task::tree() };
    ///     let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    ///     trees.append(&tasks.run_main(main, |running| while running.run_next() {}).1.unwrap());
    /// }
    /// assert_eq!(trees.tasks().count(), 2);
    /// ```
    pub fn append(&mut self, other: &Self) {
        self.entries.extend_from_slice(&other.entries);
    }

    /// The entries from the top down: each is followed by all that hangs on it. Empty if
    /// there was no tree to see.
    pub fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    /// Whether there was no tree to see: the scope has ended, or belongs to another thread.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_task::Tree::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The tasks, from the top down.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskInfo> {
        self.entries.iter().filter_map(|entry| match &entry.node {
            TreeNode::Task(task) => Some(task),
            _ => None,
        })
    }

    /// The scopes, from the top down.
    pub fn scopes(&self) -> impl Iterator<Item = &ScopeInfo> {
        self.entries.iter().filter_map(|entry| match &entry.node {
            TreeNode::Scope(scope) => Some(scope),
            _ => None,
        })
    }

    /// The tree without what nobody waits for, and without all that hangs on that.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{NoNotify, SpawnOptions, Tasks, try_spawn};
    /// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    /// let main = async {
    ///     drop(try_spawn(async {}, SpawnOptions::new().name("daemon").awaited(false)));
    ///     let tree = arborio_task::tree();
    ///     assert_eq!(tree.tasks().count(), 2);
    ///     assert_eq!(tree.awaited().tasks().count(), 1);
    /// };
    /// tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    #[must_use]
    pub fn awaited(&self) -> Self {
        let mut cut = usize::MAX; // what is deeper hangs on what was left out
        let is_kept = |entry: &&TreeEntry| {
            if entry.depth > cut {
                return false;
            }
            let awaited = entry.node.is_awaited();
            cut = if awaited { usize::MAX } else { entry.depth };
            awaited
        };
        Self {
            entries: self.entries.iter().filter(is_kept).cloned().collect(),
        }
    }

    /// The form for programs: one line for each entry, which will stay as it is.
    ///
    /// See [`Lines`] for the columns.
    pub fn lines(&self) -> Lines<'_> {
        Lines::new(self)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::Location;

    use super::*;

    fn task(depth: usize, awaited: bool) -> TreeEntry {
        let node = TreeNode::Task(TaskInfo {
            name: None,
            spawned_at: Location::caller(),
            state: TaskState::Waiting,
            awaited,
            asked: None,
        });
        TreeEntry { depth, node }
    }

    fn scope(depth: usize, awaited: bool) -> TreeEntry {
        let mut scope = ScopeInfo::new(Location::caller());
        scope.awaited = awaited;
        let node = TreeNode::Scope(scope);
        TreeEntry { depth, node }
    }

    fn run() -> TreeEntry {
        let node = TreeNode::Run;
        TreeEntry { depth: 0, node }
    }

    #[test]
    fn what_nobody_waits_for_goes_with_all_that_hangs_on_it() {
        let kept = |entries: Vec<TreeEntry>| {
            let tree = Tree { entries }.awaited();
            let kept = tree.entries().iter().map(|entry| match entry.node {
                TreeNode::Run => (entry.depth, "run"),
                TreeNode::Scope(_) => (entry.depth, "scope"),
                TreeNode::Task(_) => (entry.depth, "task"),
            });
            kept.collect::<Vec<_>>()
        };
        let all = vec![
            run(),
            task(1, false),
            scope(2, true),
            task(3, true),
            task(1, true),
            scope(2, false),
            task(3, true),
            scope(2, true),
            task(3, true),
            task(3, false),
            scope(1, true),
        ];
        let left = [
            (0, "run"),
            (1, "task"),
            (2, "scope"),
            (3, "task"),
            (1, "scope"),
        ];
        assert_eq!(kept(all), left);
    }

    #[test]
    fn the_tree_of_another_loop_comes_behind() {
        let mut trees = Tree::default();
        assert!(trees.is_empty());
        let other = Tree {
            entries: vec![run(), task(1, true)],
        };
        assert!(!other.is_empty());
        (0..2).for_each(|_| trees.append(&other));
        let depths: Vec<_> = trees.entries().iter().map(|entry| entry.depth).collect();
        assert_eq!(depths, [0, 1, 0, 1]);
        assert_eq!((trees.tasks().count(), trees.scopes().count()), (2, 0));
    }

    #[test]
    fn an_owner_that_gives_nothing_leaves_the_slot_as_it_was() {
        let mut slot = Some(7);
        Arc::new(()).give(&mut slot);
        assert_eq!(slot, Some(7));
    }
}
