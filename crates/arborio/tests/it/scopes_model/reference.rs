//! What must happen: the events of a plan in the order of their times, with plain calls for
//! what follows from each. Nothing here takes time but the pauses of the plan.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Note, Record,
    plan::{Act, Around, Finish, Member, Script, Tree, Work},
};

/// Why a scope fails.
#[derive(Clone, Copy)]
enum Failure {
    Error(u8),
    Panic(u8),
    Cancelled,
    TimedOut,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Runs,
    /// It gave its value; or a free scope is finalized.
    Value,
    Gone,
}

/// Whose a request from outside of a scope is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nobody,
    Task,
    MoveOn,
}

struct ScopeBook {
    /// The task that its future is in; none for the root.
    task: Option<usize>,
    above: Option<usize>,
    free: bool,
    deadline: Option<u64>,
    /// The limit around its future.
    limit: Option<u64>,
    members: Vec<usize>,
    /// The errors that wait for handles.
    kept: BTreeMap<usize, u8>,
    failure: Option<Failure>,
    finished: bool,
    told: bool,
    asked: Asked,
    body: Body,
    owner: bool,
    /// Its future is gone.
    dropped: bool,
    over: bool,
}

struct MemberBook {
    scope: usize,
    bubble: bool,
    master: bool,
    awaited: bool,
    observed: bool,
    /// It stands for a free scope.
    free: bool,
    inner: Option<usize>,
    handle: bool,
    live: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Actor {
    Leaf(usize),
    Body(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The actor's next act, or its end.
    Step(Actor, usize),
    Deadline(usize),
    MoveOn(usize),
    Drop(usize),
}

/// The state of everything.
#[derive(Default)]
struct Books {
    now: u64,
    events: BTreeSet<(u64, Event)>,
    scopes: BTreeMap<usize, ScopeBook>,
    members: BTreeMap<usize, MemberBook>,
    scripts: BTreeMap<Actor, Script>,
    records: Vec<Record>,
}

/// Everything that is to be seen when `tree` is played.
pub(super) fn reference(tree: &Tree) -> Vec<Record> {
    let mut books = Books::default();
    books.open(tree, None, None, Around::Nothing, false);
    while let Some((time, event)) = books.events.pop_first() {
        books.now = time;
        books.happens(event);
    }
    books.records
}

impl Books {
    fn note(&mut self, who: usize, note: Note) {
        self.records.push((self.now, who, note));
    }

    fn after(&mut self, pause: u64, event: Event) {
        self.events.insert((self.now + pause, event));
    }

    fn open(
        &mut self,
        tree: &Tree,
        task: Option<usize>,
        above: Option<usize>,
        around: Around,
        free: bool,
    ) {
        let id = tree.id;
        let mut book = ScopeBook {
            task,
            above,
            free,
            deadline: tree.timeout.map(|limit| self.now + limit),
            limit: None,
            members: Vec::new(),
            kept: BTreeMap::new(),
            failure: None,
            finished: false,
            told: false,
            asked: Asked::Nobody,
            body: Body::Runs,
            owner: free,
            dropped: false,
            over: false,
        };
        match around {
            Around::MoveOn(limit) => {
                book.limit = Some(self.now + limit);
                self.after(limit, Event::MoveOn(id));
            }
            Around::Drop(limit) => self.after(limit, Event::Drop(id)),
            Around::Nothing | Around::Fork => {}
        }
        self.scopes.insert(id, book);
        if let Some(limit) = tree.timeout {
            self.after(limit, Event::Deadline(id));
        }
        for member in &tree.members {
            self.spawn(id, member, task);
        }
        if !free {
            self.begin(Actor::Body(id), &tree.body);
        }
    }

    fn begin(&mut self, actor: Actor, script: &Script) {
        self.scripts.insert(actor, script.clone());
        self.next(actor, 0);
    }

    /// The actor pauses before it goes on.
    fn next(&mut self, actor: Actor, place: usize) {
        let script = &self.scripts[&actor];
        let pause = script.acts.get(place).map_or(script.end.0, |act| act.0);
        if pause == 0 {
            self.happens(Event::Step(actor, place));
        } else {
            self.after(pause, Event::Step(actor, place));
        }
    }

    fn spawn(&mut self, scope: usize, member: &Member, by: Option<usize>) {
        let closed = self.scopes[&scope].over;
        if closed {
            if !matches!(member.work, Work::Free(_)) {
                self.note(member.id, Note::Cut);
            }
            return;
        }
        // Nobody waits for what a task that nobody waits for opens beside itself.
        let silent = by.is_some_and(|task| {
            let task = &self.members[&task];
            !task.awaited && task.scope == scope
        });
        let free = matches!(member.work, Work::Free(_));
        let book = MemberBook {
            scope,
            bubble: member.bubble,
            master: member.master,
            awaited: member.awaited && !(free && silent),
            observed: member.observed,
            free,
            inner: match &member.work {
                Work::Leaf(_) => None,
                Work::Inner(tree, _) | Work::Free(tree) => Some(tree.id),
            },
            handle: !free,
            live: true,
        };
        self.members.insert(member.id, book);
        self.scope(scope).members.push(member.id);
        let task = Some(member.id);
        match &member.work {
            Work::Leaf(script) => self.begin(Actor::Leaf(member.id), script),
            Work::Inner(tree, around) => self.open(tree, task, Some(scope), *around, false),
            Work::Free(tree) => self.open(tree, task, Some(scope), Around::Nothing, true),
        }
    }

    fn scope(&mut self, id: usize) -> &mut ScopeBook {
        self.scopes.get_mut(&id).expect("it was opened")
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Step(actor, place) if self.is_there(actor) => self.step(actor, place),
            Event::Deadline(scope) => {
                if self.scopes[&scope].deadline == Some(self.now) {
                    self.fail(scope, Failure::TimedOut);
                }
            }
            Event::MoveOn(scope) => self.ask(scope, Asked::MoveOn),
            Event::Drop(scope) if !self.scopes[&scope].over => {
                let task = self.scopes[&scope].task.expect("not the root");
                self.lose(scope);
                self.end(task, Note::Well);
            }
            Event::Step(..) | Event::Drop(_) => {}
        }
    }

    fn is_there(&self, actor: Actor) -> bool {
        match actor {
            Actor::Leaf(id) => self.members[&id].live,
            Actor::Body(id) => self.scopes[&id].body == Body::Runs,
        }
    }

    fn step(&mut self, actor: Actor, place: usize) {
        let script = self.scripts[&actor].clone();
        let Some((_, act)) = script.acts.get(place) else {
            return self.finish(actor, script.end.1);
        };
        self.act(actor, act);
        self.next(actor, place + 1);
    }

    fn finish(&mut self, actor: Actor, finish: Finish) {
        let note = match finish {
            Finish::Well => Note::Well,
            Finish::Error(code) => Note::Error(code),
            Finish::Panic(code) => Note::Panic(code),
        };
        match actor {
            Actor::Leaf(id) => self.end(id, note),
            Actor::Body(id) => {
                self.note(id, note);
                let (body, failure) = match finish {
                    Finish::Well => (Body::Value, None),
                    Finish::Error(code) => (Body::Gone, Some(Failure::Error(code))),
                    Finish::Panic(code) => (Body::Gone, Some(Failure::Panic(code))),
                };
                self.scope(id).body = body;
                match failure {
                    Some(failure) => self.fail(id, failure),
                    None => self.check(id),
                }
            }
        }
    }

    fn act(&mut self, actor: Actor, act: &Act) {
        let (Actor::Leaf(who) | Actor::Body(who)) = actor;
        let task = match actor {
            Actor::Leaf(id) => Some(id),
            Actor::Body(id) => self.scopes[&id].task,
        };
        let scope = match actor {
            Actor::Leaf(id) => self.members[&id].scope,
            Actor::Body(id) => id,
        };
        if let Act::Look = act {
            let seen = self.effective(scope);
            return self.note(who, Note::Saw(seen));
        }
        self.note(who, Note::Did);
        match act {
            Act::Look => {}
            Act::Cancel(id) if self.is_held(*id) => self.cut(*id, Asked::Task),
            Act::Abort(id) if self.is_held(*id) => self.abort(*id),
            Act::DropHandle(id) if self.is_held(*id) => self.drop_handle(*id),
            Act::Cancel(_) | Act::Abort(_) | Act::DropHandle(_) => {}
            Act::CancelScope(id) => self.fail(*id, Failure::Cancelled),
            Act::FailScope(id, code) => self.fail(*id, Failure::Error(*code)),
            Act::Move(id, until) => {
                if let Some(scope) = self.scopes.get_mut(id)
                    && (until.is_some() || !scope.free)
                {
                    scope.deadline = until.map(|until| self.now + until);
                    until.iter().for_each(|until| {
                        self.events.insert((self.now + until, Event::Deadline(*id)));
                    });
                }
            }
            Act::Finalize(id) => self.finalize(*id),
            Act::DropOwner(id) => {
                if self.scopes.get(id).is_some_and(|scope| scope.owner) {
                    self.scope(*id).owner = false;
                    self.finalize(*id);
                }
            }
            Act::Spawn(id, member) => {
                if self.scopes.contains_key(id) {
                    self.spawn(*id, member, task);
                }
            }
        }
    }

    fn is_held(&self, member: usize) -> bool {
        self.members.get(&member).is_some_and(|book| book.handle)
    }

    /// The earliest deadline around the code of a scope.
    fn effective(&self, scope: usize) -> Option<u64> {
        let book = &self.scopes[&scope];
        let above = book.above.and_then(|above| self.effective(above));
        [book.deadline, book.limit, above]
            .into_iter()
            .flatten()
            .min()
    }

    fn finalize(&mut self, scope: usize) {
        let Some(book) = self.scopes.get_mut(&scope) else {
            return;
        };
        if book.free && book.body == Body::Runs {
            book.body = Body::Value;
            self.check(scope);
        }
    }

    fn drop_handle(&mut self, member: usize) {
        let book = self.members.get_mut(&member).expect("it is held");
        book.handle = false;
        let scope = book.scope;
        if let Some(code) = self.scope(scope).kept.remove(&member) {
            self.fail(scope, Failure::Error(code));
        }
    }

    /// A member is asked to end.
    fn cut(&mut self, member: usize, asked: Asked) {
        match &self.members[&member] {
            book if !book.live => {}
            MemberBook {
                inner: Some(scope), ..
            } => self.ask(*scope, asked),
            _ => self.end(member, Note::Cut),
        }
    }

    /// A scope is asked from outside of its future.
    fn ask(&mut self, scope: usize, asked: Asked) {
        let book = self.scope(scope);
        if !book.over {
            book.asked = asked;
            self.fail(scope, Failure::Cancelled);
        }
    }

    fn abort(&mut self, member: usize) {
        let book = &self.members[&member];
        if book.live {
            if let Some(scope) = book.inner {
                self.lose(scope);
            }
            self.end(member, Note::Cut);
        }
    }

    /// The future of a scope is dropped: its tasks are asked to end.
    fn lose(&mut self, scope: usize) {
        let book = self.scope(scope);
        (book.dropped, book.told) = (true, true);
        self.stop_body(scope);
        for member in self.scopes[&scope].members.clone() {
            self.cut(member, Asked::Task);
        }
        self.check(scope);
    }

    fn stop_body(&mut self, scope: usize) {
        let book = self.scope(scope);
        if book.body == Body::Runs {
            book.body = Body::Gone;
            if !book.free {
                self.note(scope, Note::Cut);
            }
        }
    }

    fn fail(&mut self, scope: usize, failure: Failure) {
        let Some(book) = self.scopes.get_mut(&scope) else {
            return;
        };
        if book.over {
            return;
        }
        let real = matches!(failure, Failure::Error(_) | Failure::Panic(_));
        match book.failure {
            None => book.failure = Some(failure),
            Some(Failure::Cancelled | Failure::TimedOut) if real => book.failure = Some(failure),
            Some(_) => {}
        }
        self.check(scope);
    }

    /// Draws the consequences.
    fn check(&mut self, scope: usize) {
        let book = self.scope(scope);
        if book.over {
            return;
        }
        let fails = book.failure.is_some() || book.finished;
        if fails && !std::mem::replace(&mut book.told, true) {
            self.stop_body(scope);
            for member in self.scopes[&scope].members.clone() {
                self.cut(member, Asked::Task);
            }
        }
        if self.scopes[&scope].body == Body::Runs || self.is_waiting(scope, true) {
            return;
        }
        for member in self.scopes[&scope].members.clone() {
            self.cut(member, Asked::Task);
        }
        if !self.scopes[&scope].over && !self.is_waiting(scope, false) {
            self.conclude(scope);
        }
    }

    fn is_waiting(&self, scope: usize, only_awaited: bool) -> bool {
        let mut members = self.scopes[&scope].members.iter();
        members.any(|member| {
            let member = &self.members[member];
            member.live && (member.awaited || !only_awaited)
        })
    }

    fn conclude(&mut self, scope: usize) {
        let book = self.scope(scope);
        book.over = true;
        if let (None | Some(Failure::Cancelled | Failure::TimedOut), Some(code)) =
            (book.failure, book.kept.values().next())
        {
            book.failure = Some(Failure::Error(*code));
        }
        let cut = match book.asked {
            Asked::Nobody => Note::Error(255),
            Asked::Task => Note::Cut,
            Asked::MoveOn => Note::Well,
        };
        let note = match (book.failure, book.body) {
            (Some(Failure::Error(code)), _) => Note::Error(code),
            (Some(Failure::Panic(code)), _) => Note::Panic(code),
            (Some(Failure::TimedOut), _) => Note::Error(254),
            (Some(Failure::Cancelled) | None, Body::Value) => Note::Well,
            (Some(Failure::Cancelled) | None, _) => cut,
        };
        if book.dropped {
            return;
        }
        match book.task {
            Some(task) => self.end(task, note),
            None => self.note(0, note),
        }
    }

    /// A member has ended.
    fn end(&mut self, member: usize, note: Note) {
        let book = self.members.get_mut(&member).expect("it was spawned");
        book.live = false;
        let (scope, master, free) = (book.scope, book.master, book.free);
        let (bubble, held) = (book.bubble, book.observed && book.handle);
        if !free {
            self.note(member, note);
        }
        self.scope(scope).finished |= master;
        match note {
            Note::Error(code) if bubble && held => {
                self.scope(scope).kept.insert(member, code);
            }
            Note::Error(code) if bubble => return self.fail(scope, Failure::Error(code)),
            Note::Panic(code) if bubble => return self.fail(scope, Failure::Panic(code)),
            _ => {}
        }
        self.check(scope);
    }
}
