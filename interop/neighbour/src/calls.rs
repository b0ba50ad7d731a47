//! Calls by name, and who answered them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use nacrite_client::Client;
use nacrite_client::discover::Discovery;
use nacrite_reqwest::LoadBalancer;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Between two calls that go on all the time: as often as the other side of the story calls.
const PAUSE: Duration = Duration::from_millis(5);

/// Calls services by name.
#[derive(Clone)]
pub(crate) struct Caller(ClientWithMiddleware);

impl Caller {
    /// Finds whom it calls through this client.
    pub(crate) fn new(client: &Client) -> Self {
        let balancer = LoadBalancer::new(&Discovery::new(client));
        Self(ClientBuilder::new(reqwest::Client::new()).with(balancer).build())
    }

    /// Calls so often, one after the other.
    pub(crate) async fn call(&self, service: &str, count: usize) -> Answers {
        let mut answers = Answers::default();
        for _ in 0..count {
            answers.add(self.one(service).await);
        }
        answers
    }

    /// Calls all the time, until it is ended.
    pub(crate) fn begin(&self, service: &str) -> Ongoing {
        let (caller, service, stop) = (self.clone(), service.to_owned(), CancellationToken::new());
        let mut task = JoinSet::new();
        let stopped = stop.clone();
        task.spawn(async move {
            let mut answers = Answers::default();
            let mut turns = tokio::time::interval(PAUSE);
            while stopped.run_until_cancelled(turns.tick()).await.is_some() {
                answers.add(caller.one(&service).await);
            }
            answers
        });
        Ongoing { task, stop }
    }

    /// The first word of the answer is the name of who gives it.
    async fn one(&self, service: &str) -> anyhow::Result<String> {
        let answer = self.0.get(format!("http://{service}/greet")).send().await?.error_for_status()?.text().await?;
        Ok(answer.split(' ').next().unwrap_or_default().to_owned())
    }
}

/// Calls that go on all the time.
pub(crate) struct Ongoing {
    task: JoinSet<Answers>,
    stop: CancellationToken,
}

impl Ongoing {
    /// Ends them and says what became of them.
    pub(crate) async fn end(mut self) -> Answers {
        self.stop.cancel();
        match self.task.join_next().await {
            Some(Ok(answers)) => answers,
            Some(Err(error)) => Answers { failed: Some(error.to_string()), ..Answers::default() },
            None => Answers::default(),
        }
    }
}

/// Who answered, and the last failure.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    by: BTreeMap<String, usize>,
    failed: Option<String>,
}

impl Answers {
    fn add(&mut self, answer: anyhow::Result<String>) {
        match answer {
            Ok(name) => *self.by.entry(name).or_default() += 1,
            Err(error) => self.failed = Some(format!("{error:#}").replace('\n', " ")),
        }
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.failed {
            return write!(f, "failed {why}, answered {:?}", self.by);
        }
        f.write_str("answered")?;
        self.by.iter().try_for_each(|(name, count)| write!(f, " {name}={count}"))
    }
}
