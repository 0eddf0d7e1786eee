//! Reads the tree off the hub. The owner walks.
//!
//! While the lists are read no foreign code runs, so that they stay as they are. What
//! builds on the branches is asked afterwards, with nothing borrowed.

use std::{collections::HashMap, ptr, sync::Arc};

use arborio_base::{contain, drop_contained};

use super::{ScopeInfo, TaskInfo, Tree, TreeEntry, TreeNode};
use crate::{
    branch::Branch,
    cell::{Header, TaskRef},
    hub::{Hub, Registered},
    local::Flags,
    node::Node,
};

/// The tasks of the loop that have not ended, without their scopes.
pub(crate) fn tasks(hub: &Hub) -> Vec<TaskInfo> {
    let mut all = Vec::new();
    let mut add = |node: &Node| {
        let infos = children(node).filter_map(|task| TaskInfo::of(hub, task));
        all.extend(infos);
    };
    add(&hub.root);
    for (branch, _) in hub.branches.borrow().iter() {
        add(branch.node());
    }
    all
}

/// The whole tree, but for the task `unseen`.
pub(crate) fn from_root(hub: &Hub, unseen: Option<TaskRef>) -> Tree {
    let registered = hub.branches.borrow().clone();
    let mut walk = Walk::new(hub, &registered);
    walk.unseen = unseen;
    walk.found.push((0, Found::Run));
    let branches = std::mem::take(&mut walk.below.root);
    walk.put_off_children(&hub.root, branches, 1);
    let tree = walk.go();
    drop_contained(registered); // the last of an owner may be here
    tree
}

/// The tree of one branch, which is not gone.
pub(crate) fn from_branch(hub: &Hub, branch: &Branch) -> Tree {
    let registered = hub.branches.borrow().clone();
    let place = branch.place();
    let known = registered.get(place).map(|(known, _)| Arc::as_ptr(known));
    if known != Some(ptr::from_ref(branch)) {
        return Tree::default(); // the loop ends, and takes its branches out of the tree
    }
    let mut walk = Walk::new(hub, &registered);
    walk.later.push((0, Next::Branch(place)));
    let tree = walk.go();
    drop_contained(registered); // the last of an owner may be here
    tree
}

/// The tasks that hang on `node`. Nothing is spawned, ends or is freed meanwhile.
fn children(node: &Node) -> impl Iterator<Item = TaskRef> {
    let mut next = node.children.first();
    std::iter::from_fn(move || {
        let links = next?;
        // SAFETY: in this list: nothing runs meanwhile.
        next = unsafe { node.children.after(links) };
        Some(TaskRef::from_links(links))
    })
}

/// A walk that is under way.
struct Walk<'a> {
    hub: &'a Hub,
    registered: &'a [Registered],
    below: Below,
    /// A task that is left out.
    unseen: Option<TaskRef>,
    /// What comes next, the last one first.
    later: Vec<(usize, Next)>,
    /// What was seen, with its depth.
    found: Vec<(usize, Found)>,
}

/// What the walk comes to: a task, or a branch by its place in the registry.
enum Next {
    Task(TaskRef),
    Branch(usize),
}

/// What the walk has found.
enum Found {
    Run,
    Task(TaskInfo),
    Branch { place: usize, tasks: usize },
}

/// Which branches hang on what, by their places in the registry, oldest first.
#[derive(Default)]
struct Below {
    root: Vec<usize>,
    branches: HashMap<usize, Vec<usize>>,
    tasks: HashMap<*mut Header, Vec<usize>>,
}

impl Below {
    fn new(hub: &Hub, registered: &[Registered]) -> Self {
        let mut by_age: Vec<_> = (0..registered.len()).collect();
        by_age.sort_unstable_by_key(|&place| registered[place].0.number());
        let mut below = Self::default();
        for place in by_age {
            let branch = &registered[place].0;
            let Some(above) = branch.node_above() else {
                continue; // not possible: what is registered is not gone
            };
            let siblings = match living_task_on(branch, above) {
                Some(task) => below.tasks.entry(task.as_ptr()).or_default(),
                None if ptr::eq(above, &hub.root) => &mut below.root,
                None => {
                    // SAFETY: every node but the root lies in a branch, and this one is
                    // not gone.
                    let above = unsafe { &*above.branch() };
                    below.branches.entry(above.place()).or_default()
                }
            };
            siblings.push(place);
        }
        below
    }
}

/// The task that has entered `branch`, if it has not ended and hangs on `above`.
fn living_task_on(branch: &Branch, above: &Node) -> Option<TaskRef> {
    let task = branch.entered_by()?;
    if task.local.seen().any(Flags::DONE) {
        return None;
    }
    ptr::eq(task.parent.get(), above).then_some(task)
}

impl<'a> Walk<'a> {
    fn new(hub: &'a Hub, registered: &'a [Registered]) -> Self {
        Self {
            hub,
            registered,
            below: Below::new(hub, registered),
            unseen: None,
            later: Vec::new(),
            found: Vec::new(),
        }
    }

    /// The tasks of `node`, then these branches, come next.
    fn put_off_children(&mut self, node: &Node, branches: Vec<usize>, depth: usize) -> usize {
        let first = self.later.len();
        let unseen = self.unseen;
        let living = children(node)
            .filter(|task| !task.local.seen().any(Flags::DONE) && Some(*task) != unseen);
        self.later
            .extend(living.map(|task| (depth, Next::Task(task))));
        let tasks = self.later.len() - first;
        self.put_off_branches(branches, depth);
        self.later[first..].reverse();
        tasks
    }

    fn put_off_branches(&mut self, branches: Vec<usize>, depth: usize) {
        let branches = branches.into_iter().map(Next::Branch);
        self.later.extend(branches.map(|next| (depth, next)));
    }

    /// Goes to the end, and asks what builds on the branches.
    fn go(mut self) -> Tree {
        while let Some((depth, next)) = self.later.pop() {
            let found = match next {
                Next::Task(task) => self.visit_task(task, depth),
                Next::Branch(place) => Some(self.visit_branch(place, depth)),
            };
            self.found.extend(found.map(|found| (depth, found)));
        }
        let registered = self.registered;
        let entries = self.found.into_iter().map(|(depth, found)| TreeEntry {
            depth,
            node: match found {
                Found::Run => TreeNode::Run,
                Found::Task(task) => TreeNode::Task(task),
                Found::Branch { place, tasks } => {
                    TreeNode::Scope(describe(&registered[place], tasks))
                }
            },
        });
        Tree {
            entries: entries.collect(),
        }
    }

    fn visit_task(&mut self, task: TaskRef, depth: usize) -> Option<Found> {
        let branches = self.below.tasks.remove(&task.as_ptr());
        let first = self.later.len();
        self.put_off_branches(branches.unwrap_or_default(), depth + 1);
        self.later[first..].reverse();
        TaskInfo::of(self.hub, task).map(Found::Task)
    }

    fn visit_branch(&mut self, place: usize, depth: usize) -> Found {
        let branches = self.below.branches.remove(&place).unwrap_or_default();
        let registered = self.registered;
        let node = registered[place].0.node();
        let tasks = self.put_off_children(node, branches, depth + 1);
        Found::Branch { place, tasks }
    }
}

/// What is known of a branch. What builds on it is foreign code.
fn describe((branch, owner): &Registered, tasks: usize) -> ScopeInfo {
    let described = contain(|| owner.describe());
    let mut info = described.unwrap_or_else(|| ScopeInfo::new(std::panic::Location::caller()));
    info.tasks = tasks;
    info.awaited = !branch.node().is_silent();
    info
}
