//! The `[store]` table: the store's own limits, and where snapshots are kept.

use anyhow::{Context, ensure};
use orrery_ganymede::store::{SnapshotPlace, StoreLimits};
use serde::{Deserialize, Serialize};

use super::Secret;

/// The `[store]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreTable {
    /// Sizes and clocks.
    #[serde(flatten)]
    pub(crate) limits: StoreLimits,
    /// Where snapshots are kept: `s3://bucket/prefix`, or empty for the data folder.
    pub(crate) snapshots: String,
    /// How to reach that bucket.
    pub(crate) s3: S3Access,
}

/// The `[store.s3]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3Access {
    /// Where the service is; empty for Amazon's.
    pub(crate) endpoint: String,
    /// The region that requests are signed for.
    pub(crate) region: String,
    /// Who asks.
    pub(crate) access_key_id: Secret,
    /// And the proof.
    pub(crate) secret_access_key: Secret,
}

impl Default for StoreTable {
    fn default() -> Self {
        let s3 = S3Access {
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            access_key_id: Secret::default(),
            secret_access_key: Secret::default(),
        };
        Self { limits: StoreLimits::default(), snapshots: String::new(), s3 }
    }
}

impl StoreTable {
    /// Where snapshots are kept.
    pub(crate) fn place(&self) -> anyhow::Result<SnapshotPlace> {
        if self.snapshots.is_empty() {
            return Ok(SnapshotPlace::Folder);
        }
        let (bucket, prefix) = parse(&self.snapshots).with_context(|| {
            format!("store.snapshots: {:?} is not s3://bucket/prefix (of letters, digits and . _ -)", self.snapshots)
        })?;
        let S3Access { endpoint, region, access_key_id, secret_access_key } = &self.s3;
        let known = endpoint.is_empty() || ["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme));
        ensure!(known, "store.s3.endpoint: {endpoint:?} starts neither with https:// nor with http://");
        ensure!(!region.is_empty(), "store.s3.region: must not be empty");
        for (name, secret) in [("access_key_id", access_key_id), ("secret_access_key", secret_access_key)] {
            ensure!(!secret.expose().is_empty(), "store.s3.{name}: must be set for store.snapshots");
        }
        self.s3_place(bucket, prefix)
    }

    #[cfg(feature = "object-storage")]
    fn s3_place(&self, bucket: &str, prefix: &str) -> anyhow::Result<SnapshotPlace> {
        let S3Access { endpoint, region, access_key_id, secret_access_key } = &self.s3;
        Ok(SnapshotPlace::S3(orrery_ganymede::store::S3Place {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: Some(endpoint.clone()).filter(|endpoint| !endpoint.is_empty()),
            region: region.clone(),
            access_key_id: access_key_id.expose().to_owned(),
            secret_access_key: secret_access_key.expose().to_owned(),
        }))
    }

    #[cfg(not(feature = "object-storage"))]
    fn s3_place(&self, _bucket: &str, _prefix: &str) -> anyhow::Result<SnapshotPlace> {
        anyhow::bail!("store.snapshots: this program was built without object storage")
    }
}

/// The bucket and the prefix, which may be empty.
fn parse(place: &str) -> Option<(&str, &str)> {
    let place = place.strip_prefix("s3://")?;
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let part = |part: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        !matches!(part, "" | "." | "..") && part.bytes().all(allowed)
    };
    (part(bucket) && (prefix.is_empty() || prefix.split('/').all(part))).then_some((bucket, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_bucket_and_a_prefix() {
        assert_eq!(parse("s3://bucket"), Some(("bucket", "")));
        assert_eq!(parse("s3://bucket/"), Some(("bucket", "")));
        assert_eq!(parse("s3://my.bucket-1/some/where_else"), Some(("my.bucket-1", "some/where_else")));
        for bad in
            ["", "bucket", "s3://", "s3:///prefix", "s3://b/a//b", "s3://b/../a", "s3://b/a/", "s3://b/ü", "gs://b"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_missing_for_a_bucket_is_named() {
        let mut table = StoreTable { snapshots: "s3://bucket/prefix".to_owned(), ..StoreTable::default() };
        let error = table.place().unwrap_err();
        assert_eq!(error.to_string(), "store.s3.access_key_id: must be set for store.snapshots");
        table.s3.endpoint = "minio:9000".to_owned();
        assert!(table.place().unwrap_err().to_string().starts_with("store.s3.endpoint: "));
        table.snapshots = "file:///x".to_owned();
        assert!(table.place().unwrap_err().to_string().starts_with("store.snapshots: "));
    }
}
