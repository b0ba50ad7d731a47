//! Between records and the settings of clusters. As in [`super::convert`], names were checked before they were written.

use std::sync::Arc;

use nacrite_base::cluster::{Checker, ClusterSettings, HttpCheck, MysqlCheck};
use nacrite_base::{ClusterName, Kind};
use nacrite_naming::DurableCommand;

use super::convert::{self, Incomplete, metadata, needed, owned, pairs};
use super::record::{ClusterRow, PutCluster};

pub(super) fn cluster_row(name: &ClusterName, of: &ClusterSettings) -> ClusterRow {
    let mut row = ClusterRow {
        name: name.to_string(),
        checker: of.checker.name().to_owned(),
        check_port: of.check_port.into(),
        use_instance_port: of.use_instance_port,
        metadata: pairs(&of.metadata),
        ..ClusterRow::default()
    };
    match &of.checker {
        Checker::None | Checker::Tcp => {}
        Checker::Http(http) => {
            row.path = http.path.to_string();
            row.headers = http.headers.to_string();
            row.expected_status = http.expected_status.into();
        }
        Checker::Mysql(mysql) => {
            row.user = owned(mysql.user.as_ref());
            row.password = owned(mysql.password.as_ref());
            row.command = owned(mysql.command.as_ref());
        }
    }
    row
}

pub(super) fn cluster(row: ClusterRow) -> Result<(ClusterName, Arc<ClusterSettings>), Incomplete> {
    let status = u16::try_from(row.expected_status).map_err(|_| Incomplete::of("expected status"))?;
    let checker = match row.checker.as_str() {
        "NONE" => Checker::None,
        "TCP" => Checker::Tcp,
        "HTTP" => {
            let (path, headers) = (row.path.into(), row.headers.into());
            Checker::Http(HttpCheck { path, headers, expected_status: status })
        }
        "MYSQL" => Checker::Mysql(MysqlCheck {
            user: row.user.map(Into::into),
            password: row.password.map(Into::into),
            command: row.command.map(Into::into),
        }),
        _ => return Err(Incomplete::of("health checker")),
    };
    let settings = ClusterSettings {
        checker,
        check_port: u16::try_from(row.check_port).map_err(|_| Incomplete::of("check port"))?,
        use_instance_port: row.use_instance_port,
        metadata: metadata(row.metadata),
    };
    Ok((ClusterName::from_stored(&row.name), Arc::new(settings)))
}

pub(super) fn put_cluster(record: PutCluster) -> Result<DurableCommand, Incomplete> {
    let (name, settings) = cluster(needed(record.cluster, "cluster")?)?;
    Ok(DurableCommand::PutCluster {
        service: convert::service_key(record.service)?,
        kind: if record.persistent { Kind::Persistent } else { Kind::Ephemeral },
        cluster: name,
        settings: Arc::unwrap_or_clone(settings),
    })
}
