//! What a program wants to do at the turns of a life: before and after registration, before and after it is taken back.
//!
//! Hooks of one moment run one after the other, in the order in which they were given, and each once in a life. The time of
//! all of one moment is bounded by the life.

use std::future::Future;
use std::pin::Pin;

use parking_lot::Mutex;

use crate::naming::{Instance, InstanceBuilder};

/// Any error of a hook.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Shaping = Box<dyn FnOnce(InstanceBuilder) -> Boxed<Result<InstanceBuilder, BoxError>> + Send>;
type Telling = Box<dyn FnOnce(Instance) -> Boxed<()> + Send>;

/// The moments at which hooks are told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    AfterRegister,
    BeforeLeave,
    AfterLeave,
}

/// The hooks of a life.
#[derive(Default)]
pub(super) struct Hooks {
    shaping: Mutex<Vec<Shaping>>,
    telling: Mutex<Vec<(Moment, Telling)>>,
}

impl Hooks {
    /// Adds one that sees the instance before it is registered, and may change it or refuse.
    pub(super) fn shape<F, T>(&self, hook: F)
    where
        F: FnOnce(InstanceBuilder) -> T + Send + 'static,
        T: Future<Output = Result<InstanceBuilder, BoxError>> + Send + 'static,
    {
        self.shaping.lock().push(Box::new(|instance| Box::pin(hook(instance))));
    }

    /// Adds one that is told of a moment.
    pub(super) fn tell<F, T>(&self, moment: Moment, hook: F)
    where
        F: FnOnce(Instance) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        self.telling.lock().push((moment, Box::new(|instance| Box::pin(hook(instance)))));
    }

    /// Lets everybody see the instance who wants to.
    ///
    /// # Errors
    /// What the first of them says against it.
    pub(super) async fn shaped(&self, mut instance: InstanceBuilder) -> Result<InstanceBuilder, BoxError> {
        let hooks = std::mem::take(&mut *self.shaping.lock());
        for hook in hooks {
            instance = hook(instance).await?;
        }
        Ok(instance)
    }

    /// Tells everybody who wants to know of this moment.
    pub(super) async fn told(&self, moment: Moment, instance: &Instance) {
        let now: Vec<_> = self.telling.lock().extract_if(.., |(of, _)| *of == moment).collect();
        for (_, hook) in now {
            hook(instance.clone()).await;
        }
    }
}
