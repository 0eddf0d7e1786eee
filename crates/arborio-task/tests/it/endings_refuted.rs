//! Attempts to break what is done at a task's end with safe code.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
};

use arborio_task::{Branch, Interrupt, SpawnOptions};

use crate::support::{Probes, run, turn};

/// A waker that calls its function once.
struct Calls<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send + 'static> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        let code = self.0.lock().unwrap().take();
        if let Some(code) = code {
            code();
        }
    }
}

fn calls(code: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(Calls(Mutex::new(Some(code)))))
}

async fn fails() {
    panic!("on purpose");
}

#[test]
fn a12_a_callback_that_is_registered_while_a_panic_comes_up_is_called() {
    let (called, probes) = (Arc::new(AtomicUsize::new(0)), Probes::default());
    let (note, kept) = (Arc::clone(&called), probes.probe());
    run(async move {
        let branch = Branch::enter(Arc::new(())).unwrap();
        let task = branch.try_spawn(fails(), SpawnOptions::new());
        let task = Arc::new(task.ok().unwrap());
        let registered = Arc::clone(&task);
        branch.wake_on_change(&calls(move || {
            registered.on_done(move |outcome| {
                assert!(matches!(outcome, Err(Interrupt::ScopeFailed)));
                note.fetch_add(1, Ordering::Relaxed);
            });
            assert!(registered.attach(|canceller| (canceller, kept)));
        }));
        turn().await;
        assert!(task.is_finished());
        assert_eq!(branch.take_panics().len(), 1);
        drop(task);
        branch.leave();
    });
    assert_eq!(called.load(Ordering::Relaxed), 1);
    assert_eq!(probes.alive(), 0, "what was attached is leaked");
}
