//! A plan is played with real scopes, and everybody notes what they see.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    rc::Rc,
    task::Poll,
    thread,
};

use arborio::{
    Child, LocalScope, Scope,
    cancel::{current_effective_deadline, move_on_after},
    scope::{FreeScope, ScopeBuilder},
    time::{Instant, sleep},
};

use super::{
    Note, Record,
    plan::{Act, Around, Finish, Member, Script, Tree, Work},
};
use crate::scopes::{Code, millis, simulated};

/// What everybody shares.
struct Stage {
    start: Instant,
    records: RefCell<Vec<Record>>,
    handles: RefCell<BTreeMap<usize, Child<(), Code>>>,
    scopes: RefCell<BTreeMap<usize, LocalScope<Code>>>,
    owners: RefCell<BTreeMap<usize, FreeScope<Code>>>,
    free: RefCell<BTreeSet<usize>>,
    /// How many tasks each scope has.
    alive: RefCell<BTreeMap<usize, usize>>,
}

/// Notes its owner's end: once, however it comes.
struct Life {
    stage: Rc<Stage>,
    who: usize,
    /// The scope that must not end before.
    scope: Option<usize>,
    note: Option<Note>,
}

impl Drop for Life {
    fn drop(&mut self) {
        let unsaid = if thread::panicking() {
            Note::Panic(0)
        } else {
            Note::Cut
        };
        self.stage.note(self.who, self.note.unwrap_or(unsaid));
        if let Some(scope) = self.scope {
            *self.stage.alive.borrow_mut().get_mut(&scope).unwrap() -= 1;
        }
    }
}

/// Plays `tree`, and gives what everybody has noted.
pub(super) fn play(tree: Tree) -> Vec<Record> {
    simulated(async move {
        let stage = Rc::new(Stage {
            start: Instant::now(),
            records: RefCell::default(),
            handles: RefCell::default(),
            scopes: RefCell::default(),
            owners: RefCell::default(),
            free: RefCell::default(),
            alive: RefCell::default(),
        });
        let mut root = pin!(run(Rc::clone(&stage), Scope::builder(), tree));
        let ended = poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| root.as_mut().poll(cx)));
            match polled {
                Ok(polled) => polled.map(Ok),
                Err(raised) => Poll::Ready(Err(raised)),
            }
        })
        .await;
        let note = match ended {
            Ok(result) => note_of(result),
            Err(raised) => match raised.downcast::<u8>() {
                Ok(code) => Note::Panic(*code),
                Err(other) => resume_unwind(other),
            },
        };
        stage.note(0, note);
        assert!(stage.alive.borrow().values().all(|count| *count == 0));
        stage.records.take()
    })
}

fn note_of(result: Result<(), Code>) -> Note {
    match result {
        Ok(()) => Note::Well,
        Err(Code(code)) => Note::Error(code),
    }
}

impl Stage {
    fn note(&self, who: usize, note: Note) {
        let now = self.since_start(Instant::now());
        self.records.borrow_mut().push((now, who, note));
    }

    fn since_start(&self, instant: Instant) -> u64 {
        u64::try_from((instant - self.start).as_millis()).unwrap()
    }

    fn life(self: &Rc<Self>, who: usize, scope: Option<usize>) -> Life {
        if let Some(scope) = scope {
            *self.alive.borrow_mut().entry(scope).or_default() += 1;
        }
        Life {
            stage: Rc::clone(self),
            who,
            scope,
            note: None,
        }
    }

    fn scope(&self, id: usize) -> Option<LocalScope<Code>> {
        self.scopes.borrow().get(&id).cloned()
    }

    /// A new member of scope `id`.
    fn spawn(self: &Rc<Self>, id: usize, scope: &LocalScope<Code>, member: Member) {
        let Member { work, .. } = member;
        let (stage, life) = match work {
            Work::Free(tree) => return self.open(scope, tree),
            _ => (Rc::clone(self), self.life(member.id, Some(id))),
        };
        let mut task = scope.task().bubble(member.bubble).master(member.master);
        task = task.awaited(member.awaited);
        if member.observed {
            task = task.observed(true);
        }
        let child = match work {
            Work::Leaf(script) => task.spawn(perform(stage, life, script)),
            Work::Inner(tree, around) => task.spawn(inner(stage, life, id, tree, around)),
            Work::Free(_) => unreachable!("it has no task of its own"),
        };
        self.handles.borrow_mut().insert(member.id, child);
    }

    fn open(self: &Rc<Self>, scope: &LocalScope<Code>, tree: Tree) {
        let limit = millis(tree.timeout.expect("it would last for ever"));
        let owner = scope.fork::<Code>().timeout(limit).open();
        let Some(scope) = owner.local() else {
            return; // what it was to hang on is closed
        };
        self.scopes.borrow_mut().insert(tree.id, scope.clone());
        self.owners.borrow_mut().insert(tree.id, owner);
        self.free.borrow_mut().insert(tree.id);
        for member in tree.members {
            self.spawn(tree.id, &scope, member);
        }
    }

    fn act(self: &Rc<Self>, who: usize, act: Act) {
        if let Act::Look = act {
            let seen = current_effective_deadline();
            return self.note(who, Note::Saw(seen.map(|seen| self.since_start(seen))));
        }
        self.note(who, Note::Did);
        match act {
            Act::Look => {}
            Act::Cancel(id) => _ = self.handles.borrow().get(&id).map(Child::cancel),
            Act::Abort(id) => _ = self.handles.borrow().get(&id).map(Child::abort),
            Act::DropHandle(id) => {
                let handle = self.handles.borrow_mut().remove(&id);
                drop(handle);
            }
            Act::CancelScope(id) => _ = self.scope(id).map(|scope| scope.cancel()),
            Act::FailScope(id, code) => {
                _ = self.scope(id).map(|scope| scope.cancel_with(Code(code)));
            }
            // Without a deadline it might last for ever.
            Act::Move(id, None) if self.free.borrow().contains(&id) => {}
            Act::Move(id, until) => {
                let until = until.map(|until| Instant::now() + millis(until));
                _ = self.scope(id).map(|scope| scope.set_deadline(until));
            }
            Act::Finalize(id) => _ = self.scope(id).map(|scope| scope.finalize()),
            Act::DropOwner(id) => {
                let owner = self.owners.borrow_mut().remove(&id);
                drop(owner);
            }
            Act::Spawn(id, member) => {
                if let Some(scope) = self.scope(id) {
                    self.spawn(id, &scope, *member);
                }
            }
        }
    }
}

async fn perform(stage: Rc<Stage>, mut life: Life, script: Script) -> Result<(), Code> {
    for (pause, act) in script.acts {
        sleep(millis(pause)).await;
        stage.act(life.who, act);
    }
    let (pause, finish) = script.end;
    if pause > 0 {
        sleep(millis(pause)).await;
    }
    match finish {
        Finish::Well => {
            life.note = Some(Note::Well);
            Ok(())
        }
        Finish::Error(code) => {
            life.note = Some(Note::Error(code));
            Err(Code(code))
        }
        Finish::Panic(code) => {
            life.note = Some(Note::Panic(code));
            resume_unwind(Box::new(code)) // without a message
        }
    }
}

/// Runs the scope of `tree`; when it has ended no task of it is left.
async fn run(stage: Rc<Stage>, scope: ScopeBuilder<Code>, tree: Tree) -> Result<(), Code> {
    let scope = match tree.timeout {
        Some(limit) => scope.timeout(millis(limit)),
        None => scope,
    };
    let body = async |s: &LocalScope<Code>| {
        stage.scopes.borrow_mut().insert(tree.id, s.clone());
        for member in tree.members {
            stage.spawn(tree.id, s, member);
        }
        let life = stage.life(tree.id, None);
        perform(Rc::clone(&stage), life, tree.body).await
    };
    let id = tree.id;
    let ended = scope.run_local(body).await;
    let left = stage.alive.borrow().get(&id).copied();
    assert_eq!(left.unwrap_or(0), 0, "a task has outlived scope {id}");
    ended
}

async fn inner(
    stage: Rc<Stage>,
    mut life: Life,
    above: usize,
    tree: Tree,
    around: Around,
) -> Result<(), Code> {
    let scope = match around {
        Around::Fork => stage.scope(above).expect("its task runs").fork(),
        _ => Scope::builder(),
    };
    let playing = run(Rc::clone(&stage), scope, tree);
    let ended = match around {
        Around::Nothing | Around::Fork => playing.await,
        Around::MoveOn(limit) => move_on_after(millis(limit), playing)
            .await
            .unwrap_or(Ok(())),
        Around::Drop(limit) => {
            let mut end = sleep(millis(limit));
            let mut playing = Box::pin(playing);
            poll_fn(|cx| match pin!(&mut end).poll(cx) {
                Poll::Ready(()) => Poll::Ready(Ok(())),
                Poll::Pending => playing.as_mut().poll(cx),
            })
            .await
        }
    };
    life.note = Some(note_of(ended));
    ended
}
