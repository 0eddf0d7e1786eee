//! What is played: a random tree of scopes, and what their members do and when.
//!
//! Every time is random and long, so no two things happen at once: what is tested here has
//! no rule for who is first.

use std::fmt;

/// A task of a scope.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Numbers members and scopes alike, from one.
    pub(super) id: usize,
    pub(super) bubble: bool,
    pub(super) master: bool,
    pub(super) awaited: bool,
    pub(super) observed: bool,
    pub(super) work: Work,
}

#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Does its acts, and ends so.
    Leaf(Script),
    /// Runs a scope; a timeout, or a drop, of its future may end it.
    Inner(Tree, Around),
    /// A scope without a body, whose owner is kept where everybody reaches it.
    Free(Tree),
}

/// What is around the future of a scope in its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Around {
    Nothing,
    /// It is a fork of the scope of its task.
    Fork,
    /// It is asked to end after so long.
    MoveOn(u64),
    /// It is dropped after so long.
    Drop(u64),
}

/// A scope.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) id: usize,
    pub(super) timeout: Option<u64>,
    pub(super) members: Vec<Member>,
    pub(super) body: Script,
}

/// What somebody does.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// Each after so long a pause.
    pub(super) acts: Vec<(u64, Act)>,
    /// After the last pause; nothing has a pause of zero but a body without acts.
    pub(super) end: (u64, Finish),
}

/// How a script ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    Well,
    Error(u8),
    Panic(u8),
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Asks for the effective deadline.
    Look,
    Cancel(usize),
    CancelScope(usize),
    FailScope(usize, u8),
    Abort(usize),
    DropHandle(usize),
    /// From now, or none.
    Move(usize, Option<u64>),
    Finalize(usize),
    DropOwner(usize),
    Spawn(usize, Box<Member>),
}

/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 31) % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// Milliseconds, so many that no two sums of them are the same.
    fn time(&mut self) -> u64 {
        1 + self.below(8_000_000_000)
    }

    fn code(&mut self) -> u8 {
        u8::try_from(1 + self.below(200)).unwrap()
    }
}

/// Makes plans.
struct Maker {
    random: Random,
    last_id: usize,
    /// How many ids there may be, for acts on others.
    guess: u64,
    /// Only one: which of two kept errors is first is not said.
    observed: bool,
}

/// The plan of one case.
pub(super) fn plan(seed: u64) -> Tree {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    random.below(1);
    let mut maker = Maker {
        random,
        last_id: 0,
        guess: 14,
        observed: false,
    };
    maker.tree(2, true)
}

impl Maker {
    fn id(&mut self) -> usize {
        self.last_id += 1;
        self.last_id
    }

    fn tree(&mut self, depth: u64, panics: bool) -> Tree {
        let id = self.id();
        let timeout = self.random.one_in(3).then(|| self.random.time());
        let count = self.random.below(5);
        let members: Vec<_> = (0..count).map(|_| self.member(depth, panics)).collect();
        let lasts = |member: &Member| member.awaited && matches!(member.work, Work::Leaf(_));
        let body = if members.iter().any(lasts) && self.random.one_in(2) {
            Script {
                acts: Vec::new(),
                end: (0, Finish::Well),
            }
        } else {
            self.script(depth, panics)
        };
        Tree {
            id,
            timeout,
            members,
            body,
        }
    }

    fn member(&mut self, depth: u64, panics: bool) -> Member {
        let id = self.id();
        let mut member = Member {
            id,
            bubble: !self.random.one_in(3),
            master: self.random.one_in(6),
            awaited: !self.random.one_in(4),
            observed: !self.observed && self.random.one_in(6),
            work: Work::Leaf(self.script(0, false)),
        };
        self.observed |= member.observed;
        // Where the panic of an observed task ends up, is another story.
        let panics = panics && !member.observed && member.bubble;
        member.work = match self.random.below(6) {
            0 | 1 if depth > 0 => {
                let around = self.around();
                Work::Inner(self.tree(depth - 1, panics), around)
            }
            2 if depth > 0 => {
                let mut tree = self.tree(depth - 1, false);
                tree.timeout.get_or_insert(self.random.time());
                (member.bubble, member.master) = (false, false);
                (member.awaited, member.observed) = (true, false);
                Work::Free(tree)
            }
            _ => Work::Leaf(self.script(depth, panics)),
        };
        member
    }

    fn around(&mut self) -> Around {
        match self.random.below(6) {
            0 => Around::MoveOn(self.random.time()),
            1 => Around::Drop(self.random.time()),
            2 => Around::Fork,
            _ => Around::Nothing,
        }
    }

    fn script(&mut self, depth: u64, panics: bool) -> Script {
        let acts = (0..self.random.below(3))
            .map(|_| (self.random.time(), self.act(depth)))
            .collect();
        let finish = match self.random.below(10) {
            0 | 1 => Finish::Error(self.random.code()),
            2 if panics => Finish::Panic(self.random.code()),
            _ => Finish::Well,
        };
        Script {
            acts,
            end: (self.random.time(), finish),
        }
    }

    fn act(&mut self, depth: u64) -> Act {
        let whom = 1 + usize::try_from(self.random.below(self.guess)).unwrap();
        match self.random.below(14) {
            0 => Act::CancelScope(whom),
            1 => Act::FailScope(whom, self.random.code()),
            2 | 3 => Act::Cancel(whom),
            4 => Act::Abort(whom),
            5 => Act::DropHandle(whom),
            6 | 7 => {
                let until = (!self.random.one_in(4)).then(|| self.random.time());
                Act::Move(whom, until)
            }
            8 => Act::Finalize(whom),
            9 => Act::DropOwner(whom),
            10 | 11 if depth > 0 => {
                let member = self.member(depth - 1, false);
                Act::Spawn(whom, Box::new(member))
            }
            _ => Act::Look,
        }
    }
}

/// A tree as it is read best.
impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.draw(f, 0)
    }
}

impl Tree {
    fn draw(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        let (id, timeout) = (self.id, self.timeout);
        writeln!(f, "{:indent$}scope {id}, timeout {timeout:?}", "")?;
        writeln!(f, "{:indent$}| body: {:?}", "", self.body)?;
        for member in &self.members {
            let Member { id, work, .. } = member;
            write!(f, "{:indent$}| member {id}", "")?;
            for (word, is_so) in [
                ("apart", !member.bubble),
                ("master", member.master),
                ("not awaited", !member.awaited),
                ("observed", member.observed),
            ] {
                if is_so {
                    write!(f, ", {word}")?;
                }
            }
            match work {
                Work::Leaf(script) => writeln!(f, ": {script:?}")?,
                Work::Inner(tree, around) => {
                    writeln!(f, ": a scope in {around:?}")?;
                    tree.draw(f, indent + 4)?;
                }
                Work::Free(tree) => {
                    writeln!(f, ": a free scope")?;
                    tree.draw(f, indent + 4)?;
                }
            }
        }
        Ok(())
    }
}

/// Trees that are a little smaller than `tree`: one member, act or timeout is gone.
pub(super) fn smaller(tree: &Tree) -> Vec<Tree> {
    let mut all = Vec::new();
    for place in 0..tree.members.len() {
        let mut less = tree.clone();
        less.members.remove(place);
        all.push(less);
        let (Work::Inner(inside, _) | Work::Free(inside)) = &tree.members[place].work else {
            if let Work::Leaf(script) = &tree.members[place].work {
                all.extend((0..script.acts.len()).map(|act| {
                    let mut less = tree.clone();
                    if let Work::Leaf(script) = &mut less.members[place].work {
                        script.acts.remove(act);
                    }
                    less
                }));
            }
            continue;
        };
        for inside in smaller(inside) {
            let mut less = tree.clone();
            if let Work::Inner(place, _) | Work::Free(place) = &mut less.members[place].work {
                *place = inside;
            }
            all.push(less);
        }
    }
    for act in 0..tree.body.acts.len() {
        let mut less = tree.clone();
        less.body.acts.remove(act);
        all.push(less);
    }
    // The end comes at once then: only if somebody is left to be waited for.
    all.retain(|tree| {
        let lasts = |member: &Member| member.awaited && matches!(member.work, Work::Leaf(_));
        tree.body.end.0 > 0 || tree.members.iter().any(lasts)
    });
    all
}
