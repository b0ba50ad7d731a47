//! `nacrite service pushes`: whom the newest list of a service reached, and who is late. Only this server keeps account of
//! its pushes, so there is one way to ask.

use std::collections::BTreeMap;

use nacrite_client::ServerAddress;
use nacrite_client::naming::Service;

use super::PushesArgs;
use crate::cli::failure::{Failure, Kind};
use crate::cli::http::session::{fields, log_in};
use crate::cli::http::{self, Question};
use crate::cli::output::{self, Form, Value};

/// Where the account is.
const PATH: &str = "/v3/admin/ns/service/pushes";

/// Late subscribers that the sentence names; the table below it has all that the server tells.
const NAMED_MAX: usize = 3;

/// What is shown of a late subscriber.
const LATE_COLUMNS: &[&str] = &["client", "ip", "app", "state", "lateMs", "tries"];

/// What is shown of a push that did not arrive.
const TROUBLE_COLUMNS: &[&str] = &["client", "at", "what", "reason"];

pub(super) async fn pushes(args: PushesArgs) -> Result<(), Failure> {
    let fields = asked(&args).await?;
    let account = Account(fields);
    let service = Service::new(&args.service).in_group(&args.group);
    let is_known = account.text("listed").as_deref() == Some("true");
    if !is_known && account.whole("subscribers") == Some(0) && account.whole("unconnected") == Some(0) {
        return Err(Failure::not_found(format!("nobody is registered for {service}, and nobody subscribes to it")));
    }
    match args.output.output {
        Form::Table => {
            output::print(&format!("{}\n", account.sentence()))?;
            let late = account.late();
            if late.is_empty() { Ok(()) } else { output::rows(Form::Table, LATE_COLUMNS, late) }
        }
        form => output::value(form, &account.value(&args)),
    }
}

/// The account, from the first server that is reached.
async fn asked(args: &PushesArgs) -> Result<BTreeMap<String, String>, Failure> {
    let mut last = Failure::new(Kind::Failed, "accounts of pushes are asked for over HTTP in the clear alone");
    for server in args.connection.servers()? {
        if server.is_https() {
            continue;
        }
        match of(&server, args).await {
            Err(failure) if failure.kind == Kind::Unreachable => last = failure,
            asked => return asked,
        }
    }
    Err(last)
}

async fn of(server: &ServerAddress, args: &PushesArgs) -> Result<BTreeMap<String, String>, Failure> {
    let access = &args.connection.access;
    let mut question = Question::get(format!("{}{PATH}", access.path_prefix()))
        .query("serviceName", &args.service)
        .query("groupName", &args.group)
        .query("namespaceId", access.namespace().unwrap_or_default());
    if let Some(token) = log_in(server, access).await? {
        question = question.header("accessToken", &token);
    }
    let answer = http::ask(server, &question, access.within()).await?;
    match answer.status {
        200 => {}
        400 => return Err(Failure::usage(format!("{server} answered {}", answer.words()))),
        401 | 403 => return Err(Failure::new(Kind::Denied, format!("that is not allowed: {}", answer.words()))),
        404 | 405 | 410 | 501 => {
            return Err(Failure::new(Kind::Failed, format!("{server} keeps no account of its pushes")));
        }
        _ => return Err(Failure::new(Kind::Failed, format!("{server} answered {}", answer.words()))),
    }
    let fields = fields(&answer.body).filter(|fields| fields.contains_key("data.reached"));
    fields.ok_or_else(|| Failure::new(Kind::Failed, format!("what {server} answers is no account of pushes")))
}

/// An account, by the paths of its fields.
struct Account(BTreeMap<String, String>);

impl Account {
    fn text(&self, path: &str) -> Option<String> {
        self.0.get(&format!("data.{path}")).filter(|text| *text != "null").cloned()
    }

    fn whole(&self, path: &str) -> Option<i64> {
        self.text(path)?.parse().ok()
    }

    fn number(&self, path: &str) -> Value {
        self.whole(path).map_or(Value::Null, Value::Whole)
    }

    /// The items of a list, each with its fields in the order of `names`; what is a number there is one here.
    fn rows(&self, list: &str, names: &[&str]) -> Vec<Vec<Value>> {
        let item = |index: usize| {
            let path = |name: &str| format!("{list}[{index}].{}", if name == "client" { "clientId" } else { name });
            self.text(&path(names[0]))?;
            let value = |name: &&str| match *name {
                "lateMs" | "tries" | "at" => self.number(&path(name)),
                _ => Value::text(self.text(&path(name))),
            };
            Some(names.iter().map(value).collect())
        };
        (0..).map_while(item).collect()
    }

    fn late(&self) -> Vec<Vec<Value>> {
        self.rows("late", LATE_COLUMNS)
    }

    /// `reached 812 of 815 within 40 ms (p50 3, p99 12); late: client a (2.1 s, 3rd try), …`
    fn sentence(&self) -> String {
        let count = |path: &str| self.whole(path).unwrap_or_default();
        let (reached, all) = (count("reached"), count("subscribers"));
        let mut said = format!("reached {reached} of {all}");
        if let (Some(within), Some(p50), Some(p99)) = (self.whole("withinMs"), self.whole("p50Ms"), self.whole("p99Ms"))
        {
            said += &format!(" within {within} ms (p50 {p50}, p99 {p99})");
        }
        let late: Vec<String> = (0..NAMED_MAX).map_while(|index| self.late_one(index)).collect();
        if !late.is_empty() {
            said += &format!("; late: {}", late.join(", "));
            let more = all - reached - i64::try_from(late.len()).unwrap_or(i64::MAX);
            if more > 0 {
                said += &format!(", and {more} more");
            }
        }
        match count("unconnected") {
            0 => {}
            others => said += &format!("; {others} without a connection are not followed"),
        }
        output::harmless(&said)
    }

    fn late_one(&self, index: usize) -> Option<String> {
        let client = self.text(&format!("late[{index}].clientId"))?;
        let late_ms = self.whole(&format!("late[{index}].lateMs"))?;
        let tries = match self.whole(&format!("late[{index}].tries"))? {
            0 => "not sent".to_owned(),
            tries => format!("{} try", ordinal(tries)),
        };
        Some(format!("client {client} ({}.{} s, {tries})", late_ms / 1000, late_ms % 1000 / 100))
    }

    fn value(&self, args: &PushesArgs) -> Value {
        let objects = |list: &str, names: &[&str]| {
            let named = |row: Vec<Value>| Value::Map(names.iter().map(|name| (*name).to_owned()).zip(row).collect());
            Value::List(self.rows(list, names).into_iter().map(named).collect())
        };
        Value::map([
            ("group", args.group.as_str().into()),
            ("service", args.service.as_str().into()),
            ("revision", self.number("revision")),
            ("changedAt", self.number("changedAt")),
            ("subscribers", self.number("subscribers")),
            ("reached", self.number("reached")),
            ("unconnected", self.number("unconnected")),
            ("withinMs", self.number("withinMs")),
            ("p50Ms", self.number("p50Ms")),
            ("p99Ms", self.number("p99Ms")),
            ("late", objects("late", LATE_COLUMNS)),
            ("troubles", objects("troubles", TROUBLE_COLUMNS)),
        ])
    }
}

/// `1st`, `2nd`, `3rd`, `4th`, `11th`, `21st`.
fn ordinal(number: i64) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(json: &str) -> Account {
        Account(fields(&format!("{{\"data\":{json}}}")).expect("JSON"))
    }

    #[test]
    fn an_account_is_one_sentence() {
        let late = r#"{"clientId":"a","lateMs":2190,"tries":3},{"clientId":"b","lateMs":100,"tries":0},{"clientId":"c","lateMs":0,"tries":1}"#;
        let json = format!(
            r#"{{"subscribers":815,"reached":811,"withinMs":40,"p50Ms":3,"p99Ms":12,"unconnected":0,"late":[{late}]}}"#
        );
        assert_eq!(
            account(&json).sentence(),
            "reached 811 of 815 within 40 ms (p50 3, p99 12); late: client a (2.1 s, 3rd try), client b (0.1 s, not sent), client c (0.0 s, 1st try), and 1 more"
        );
        let json = r#"{"subscribers":0,"reached":0,"withinMs":null,"unconnected":2,"late":[]}"#;
        assert_eq!(account(json).sentence(), "reached 0 of 0; 2 without a connection are not followed");
    }

    #[test]
    fn numbers_have_their_endings() {
        let all = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal);
        assert_eq!(all, ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"]);
    }
}
