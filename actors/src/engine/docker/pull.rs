//! How an image comes, layer by layer.

use std::{collections::BTreeMap, time::Duration};

use bollard::{Docker as Client, models::CreateImageInfo, query_parameters as query};
use futures_util::{StreamExt, stream};
use orrery_protocol::image::Reference;

use super::fault::pull_fault;
use crate::engine::runtime::{Flow, PullProgress, RuntimeError};

/// A registry that says nothing for as long as `silence` has gone.
pub(super) fn pull(client: &Client, image: &Reference, silence: Duration) -> Flow<PullProgress> {
    let tag = image.digest.as_ref().map(ToString::to_string);
    let tag = tag.or_else(|| image.tag.as_ref().map(ToString::to_string)).unwrap_or_else(|| "latest".to_owned());
    let options = query::CreateImageOptionsBuilder::new().from_image(image.uri.as_str()).tag(&tag).build();
    let steps = client.create_image(Some(options), None, None).boxed();
    let state = (steps, Layers::default());
    let progress = stream::try_unfold(state, move |(mut steps, mut layers)| async move {
        match tokio::time::timeout(silence, steps.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(step))) => {
                layers.take_in(&step);
                Ok(Some((layers.progress(), (steps, layers))))
            }
            Ok(Some(Err(error))) => Err(pull_fault(error)),
            Err(_) => Err(RuntimeError::ImageAway("the registry has gone silent".to_owned())),
        }
    });
    progress.boxed()
}

/// What has come of each layer, in thousandths: half for fetching, half for unpacking.
#[derive(Debug, Default)]
struct Layers {
    done: BTreeMap<String, u16>,
    percent: Option<u8>,
}

impl Layers {
    fn take_in(&mut self, step: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&step.id, step.status.as_deref()) else { return };
        let part = step.progress_detail.as_ref().and_then(|detail| {
            let (current, total) = (u64::try_from(detail.current?).ok()?, u64::try_from(detail.total?).ok()?);
            u16::try_from((current.min(total) * 500).checked_div(total)?).ok()
        });
        let done = match status {
            "Pulling fs layer" | "Waiting" => 0,
            "Downloading" => part.unwrap_or(0),
            "Verifying Checksum" | "Download complete" => 500,
            "Extracting" => 500 + part.unwrap_or(0),
            "Pull complete" => 1_000,
            // Lines about the image as a whole bear its tag where others bear a layer. What is here already does not come, and
            // is told of before what does.
            _ => return,
        };
        let known = self.done.entry(id.clone()).or_insert(0);
        *known = done.max(*known);
    }

    /// Never less than before: a layer that is only now known of would take back what was said.
    fn progress(&mut self) -> PullProgress {
        let layers = self.done.len() * 10;
        let done: usize = self.done.values().map(|&done| usize::from(done)).sum();
        let percent = done.checked_div(layers).and_then(|percent| u8::try_from(percent).ok());
        self.percent = percent.max(self.percent);
        PullProgress { percent: self.percent }
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn progress_goes_from_nothing_to_all_and_never_back() {
        let mut layers = Layers::default();
        let mut check = |id: &str, status: &str, detail: Option<(i64, i64)>, expect: Option<u8>| {
            layers.take_in(&CreateImageInfo {
                id: Some(id.to_owned()),
                status: Some(status.to_owned()),
                progress_detail: detail
                    .map(|(current, total)| ProgressDetail { current: Some(current), total: Some(total) }),
                ..CreateImageInfo::default()
            });
            assert_eq!(layers.progress().percent, expect, "{id} {status}");
        };
        check("1.0", "Pulling from a", None, None);
        check("z", "Already exists", None, None);
        check("a", "Pulling fs layer", None, Some(0));
        check("a", "Downloading", Some((50, 100)), Some(25));
        check("b", "Pulling fs layer", None, Some(25));
        check("a", "Downloading", Some((0, 0)), Some(25));
        check("a", "Extracting", Some((1, 1)), Some(50));
        check("b", "Pull complete", None, Some(100));
        check("b", "Downloading", Some((-5, -7)), Some(100));
    }
}
