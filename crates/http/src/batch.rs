//! Metadata of many instances at once, under the paths of every generation.

use std::sync::Arc;

use bytes::Bytes;
use nacrite_app::App;
use nacrite_app::naming::{MetadataEdit, Naming};
use nacrite_base::Metadata;
use nacrite_wire::http::envelope::result;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::batch::{BatchAsk, form_batch, updated, v1_batch};
use nacrite_wire::http::params::Params;
use nacrite_wire::http::refusal::Refusal;

use crate::naming::{cases, writes};
use crate::reply;
use crate::table::{Reply, Row};

/// Reads which metadata of which instances are to change.
type Read = fn(&Params<'_>) -> Result<BatchAsk, Refusal>;

/// How what was read becomes a change.
type Edit = fn(Metadata) -> MetadataEdit;

/// Puts the answer into what the generation has around it.
type Wrap = fn(Vec<u8>) -> Bytes;

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let row = |endpoint, generation, read: Read, edit: Edit, wrap: Wrap| {
        let naming = cases(app);
        writes(endpoint, generation, move |call| Ok(change(&naming, read(&call.params)?, edit, wrap)))
    };
    let (v1, put, remove): (_, Edit, Edit) = (Generation::NamingV1, MetadataEdit::Put, MetadataEdit::Remove);
    let (bare, wrapped): (Wrap, Wrap) = (Bytes::from, |out| result(&out));
    vec![
        row("PUT /v1/ns/instance/metadata/batch", v1, v1_batch, put, bare),
        row("DELETE /v1/ns/instance/metadata/batch", v1, v1_batch, remove, bare),
        row("PUT /v2/ns/instance/metadata/batch", Generation::V2, form_batch, put, wrapped),
        row("DELETE /v2/ns/instance/metadata/batch", Generation::V2, form_batch, remove, wrapped),
        row("PUT /v3/admin/ns/instance/metadata/batch", Generation::V3, form_batch, put, wrapped),
        row("DELETE /v3/admin/ns/instance/metadata/batch", Generation::V3, form_batch, remove, wrapped),
    ]
}

fn change(naming: &Naming, ask: BatchAsk, edit: Edit, wrap: Wrap) -> Reply {
    let BatchAsk { service, instances, metadata } = ask;
    let naming = naming.clone();
    Reply::later(async move {
        let edited = naming.edit_metadata(&service, &instances, &edit(metadata)).await?;
        Ok(reply::json(wrap(updated(&edited.instances, edited.kind))))
    })
}
