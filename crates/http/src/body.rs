//! Receiving a body: whole, within a time, within a length, and within what the server holds of bodies at one time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use nacrite_wire::http::refusal::Refusal;

use crate::settings::BODIES_LEN_MAX;

/// Bytes of bodies that are held now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<AtomicUsize>);

/// A body, and the place that it takes until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    _place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    held: Held,
    len: usize,
}

impl Place {
    fn grow(&mut self, by: usize) -> Result<(), Refusal> {
        let before = self.held.0.fetch_add(by, Ordering::Relaxed);
        self.len += by;
        if before + by > BODIES_LEN_MAX {
            return Err(Refusal::BodiesFull);
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.len, Ordering::Relaxed);
    }
}

/// Receives a body of at most `len_max` bytes.
///
/// # Errors
/// [`Refusal::BodyTooLong`], [`Refusal::BodyLate`], [`Refusal::BodiesFull`] or [`Refusal::BodyBroken`].
pub(crate) async fn receive(
    body: Incoming,
    len_max: usize,
    within: Duration,
    held: &Held,
) -> Result<Received, Refusal> {
    if body.is_end_stream() {
        return Ok(Received::default());
    }
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |len| len > len_max) {
        return Err(Refusal::BodyTooLong { len_max });
    }
    let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
    let late = |_| Refusal::BodyLate { within_ms };
    tokio::time::timeout(within, collect(body, len_max, held)).await.map_err(late)?
}

async fn collect(mut body: Incoming, len_max: usize, held: &Held) -> Result<Received, Refusal> {
    let mut place = Place { held: held.clone(), len: 0 };
    let Some(first) = next(&mut body).await? else { return Ok(Received::default()) };
    place.grow(first.len())?;
    if body.is_end_stream() {
        let place = Some(place);
        return check(first.len(), len_max).map(|()| Received { bytes: first, _place: place });
    }
    let rest = usize::try_from(body.size_hint().lower()).unwrap_or(0);
    let mut whole = BytesMut::with_capacity(first.len() + rest.min(len_max));
    whole.extend_from_slice(&first);
    drop(first);
    while let Some(piece) = next(&mut body).await? {
        check(whole.len() + piece.len(), len_max)?;
        place.grow(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    check(whole.len(), len_max)?;
    let (bytes, place) = (whole.freeze(), Some(place));
    Ok(Received { bytes, _place: place })
}

fn check(len: usize, len_max: usize) -> Result<(), Refusal> {
    if len > len_max {
        return Err(Refusal::BodyTooLong { len_max });
    }
    Ok(())
}

/// The next piece; trailers are passed over.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
    loop {
        let Some(frame) = body.frame().await else {
            return Ok(None);
        };
        let frame = frame.map_err(|_| Refusal::BodyBroken)?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}
