//! Random trees of scopes against a reference that knows nothing but arithmetic.

use std::{cell::Cell, pin::Pin, rc::Rc, time::Duration};

use arborio::{
    Scope,
    time::{clock, sleep},
};

use crate::scopes::{Code, millis, simulated};

/// A task of a scope, or the scope that it runs.
#[derive(Clone, Debug)]
struct Member {
    work: Work,
    bubble: bool,
    master: bool,
    awaited: bool,
}

#[derive(Clone, Debug)]
enum Work {
    /// Takes so many milliseconds, and ends so.
    Leaf(u64, Result<(), Code>),
    Inner(Tree),
}

#[derive(Clone, Debug)]
struct Tree {
    timeout: Option<u64>,
    members: Vec<Member>,
}

/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// So long that no two of them are the same.
    fn time(&mut self) -> u64 {
        1 + self.below(1_000_000_000)
    }

    fn tree(&mut self, depth: u64) -> Tree {
        Tree {
            timeout: self.one_in(3).then(|| self.time()),
            members: (0..self.below(5)).map(|_| self.member(depth)).collect(),
        }
    }

    fn member(&mut self, depth: u64) -> Member {
        let work = if depth > 0 && self.one_in(2) {
            Work::Inner(self.tree(depth - 1))
        } else {
            let code = Code(u8::try_from(1 + self.below(200)).unwrap());
            let end = if self.one_in(4) { Err(code) } else { Ok(()) };
            Work::Leaf(self.time(), end)
        };
        Member {
            work,
            bubble: !self.one_in(3),
            master: self.one_in(6),
            awaited: !self.one_in(4),
        }
    }
}

/// How long a tree takes, and what it gives, if nobody disturbs it.
fn reference(tree: &Tree) -> (u64, Result<(), Code>) {
    let members: Vec<_> = tree
        .members
        .iter()
        .map(|member| (member, lasts(member)))
        .collect();
    let awaited = members.iter().filter(|(member, _)| member.awaited);
    let mut end = (awaited.map(|(_, (at, _))| *at).max().unwrap_or(0), Ok(()));
    if end.0 == 0 {
        return end; // whoever is not awaited never runs
    }
    let mut sooner = |at: u64, result| {
        if at < end.0 {
            end = (at, result);
        }
    };
    if let Some(timeout) = tree.timeout {
        sooner(timeout, Err(Code(254)));
    }
    let mut last = Vec::new();
    for (member, (at, result)) in members {
        match result {
            Err(_) if member.bubble => {
                sooner(at, result);
                last.push((at, result));
            }
            _ if member.master => sooner(at, Ok(())),
            _ => {}
        }
    }
    // The one whose end is the scope's own may have failed.
    last.into_iter().find(|(at, _)| *at == end.0).unwrap_or(end)
}

fn lasts(member: &Member) -> (u64, Result<(), Code>) {
    match &member.work {
        Work::Leaf(time, end) => (*time, *end),
        Work::Inner(tree) => reference(tree),
    }
}

/// Counts the members that live, and each end once.
struct Alive(Rc<Cell<i64>>);

impl Alive {
    fn new(count: &Rc<Cell<i64>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

type Boxed = Pin<Box<dyn Future<Output = Result<(), Code>>>>;

fn play(tree: Tree, alive: Rc<Cell<i64>>) -> Boxed {
    Box::pin(async move {
        let mut scope = Scope::<Code>::builder();
        if let Some(timeout) = tree.timeout {
            scope = scope.timeout(millis(timeout));
        }
        let mine = Rc::new(Cell::new(0));
        let ended = scope.run_local(async |s| {
            for member in tree.members {
                let (guard, all) = (Alive::new(&mine), Rc::clone(&alive));
                let task = s.task().bubble(member.bubble).master(member.master);
                task.awaited(member.awaited).spawn(async move {
                    let _guard = guard;
                    let _counted = Alive::new(&all);
                    match member.work {
                        Work::Leaf(time, end) => {
                            sleep(Duration::from_millis(time)).await;
                            end
                        }
                        Work::Inner(tree) => play(tree, Rc::clone(&all)).await,
                    }
                });
            }
            Ok(())
        });
        let ended = ended.await;
        assert_eq!(mine.get(), 0, "a task has outlived its scope");
        ended
    })
}

#[test]
fn random_trees_of_scopes_end_when_and_how_they_should() {
    let cases = if cfg!(debug_assertions) {
        3_000
    } else {
        100_000
    };
    for seed in 0..cases {
        let tree = Random(seed).tree(3);
        let expected = reference(&tree);
        let played = tree.clone();
        let found = simulated(async move {
            let alive = Rc::new(Cell::new(0));
            let start = clock();
            let ended = play(played, Rc::clone(&alive)).await;
            assert_eq!(alive.get(), 0, "something is left");
            let taken = u64::try_from((clock() - start).as_millis()).unwrap();
            (taken, ended)
        });
        assert_eq!(found, expected, "seed {seed}: {tree:#?}");
    }
}
