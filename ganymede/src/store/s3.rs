//! The S3 protocol: the one file that knows it. Owns the client and the thread that waits for the service.

use std::{error::Error as _, future::Future, iter, sync::mpsc::sync_channel, time::Duration};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore as _, ObjectStoreExt as _, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use tokio::runtime::{self, Runtime};

use super::{
    error::{FileError, ObjectError, OpenError},
    objects::Objects,
    shelf::S3Place,
};

/// One request, with a snapshot of the largest size in it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A service that is away for longer is the business of whoever asked.
const RETRY_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct S3 {
    client: AmazonS3,
    place: S3Place,
    /// Our own: the store's threads wait for answers, and callers may be threads of another runtime.
    runtime: Option<Runtime>,
}

impl Drop for S3 {
    fn drop(&mut self) {
        // A runtime must not wait for its end on a thread of another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl S3 {
    /// Talks to nobody yet.
    pub(super) fn connect(place: &S3Place) -> Result<Self, OpenError> {
        let backoff = BackoffConfig { init_backoff: Duration::from_millis(50), max_backoff: RETRY_TIMEOUT, base: 2.0 };
        let options = ClientOptions::new().with_timeout(REQUEST_TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT);
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&place.bucket)
            .with_region(&place.region)
            .with_access_key_id(&place.access_key_id)
            .with_secret_access_key(&place.secret_access_key)
            // The one request for many deletions is not part of every service.
            .with_disable_bulk_delete(true)
            .with_client_options(options)
            .with_retry(RetryConfig { backoff, max_retries: 3, retry_timeout: RETRY_TIMEOUT });
        if let Some(endpoint) = &place.endpoint {
            builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
        }
        let client = builder.build().map_err(|error| failure(place.to_string(), &error))?;
        let mut runtime = runtime::Builder::new_multi_thread();
        runtime.worker_threads(1).thread_name("store-objects").enable_all();
        let runtime = runtime.build().map_err(|error| FileError::at(place.to_string())(error))?;
        Ok(Self { client, place: place.clone(), runtime: Some(runtime) })
    }

    fn path(&self, name: &str) -> Path {
        Path::from_iter(self.place.prefix.split('/').chain(name.split('/')).filter(|part| !part.is_empty()))
    }

    /// Waits on this thread, whatever it belongs to.
    fn wait<T, F>(&self, name: &str, request: F) -> Result<T, ObjectError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (reply, answer) = sync_channel(1);
        let runtime = self.runtime.as_ref().expect("it is taken by drop only");
        runtime.spawn(async move { reply.send(request.await) });
        let answered = answer.recv().expect("a request ends with an answer");
        answered.map_err(|error| failure(self.describe(name), &error))
    }
}

impl Objects for S3 {
    fn describe(&self, name: &str) -> String {
        format!("s3://{}/{}", self.place.bucket, self.path(name))
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), ObjectError> {
        let (client, path) = (self.client.clone(), self.path(name));
        self.wait(name, async move { client.put(&path, bytes.into()).await.map(drop) })
    }

    fn get(&self, name: &str) -> Result<Option<Bytes>, ObjectError> {
        let (client, path) = (self.client.clone(), self.path(name));
        self.wait(name, async move {
            match client.get(&path).await {
                Ok(found) => found.bytes().await.map(Some),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn copy(&self, from: &str, to: &str) -> Result<(), ObjectError> {
        let (client, source, target) = (self.client.clone(), self.path(from), self.path(to));
        self.wait(to, async move { client.copy(&source, &target).await })
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        let (client, path) = (self.client.clone(), self.path(name));
        self.wait(name, async move {
            match client.delete(&path).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError> {
        let (client, root, folder_path) = (self.client.clone(), self.path(""), self.path(folder));
        self.wait(folder, async move {
            let found: Vec<_> = client.list(Some(&folder_path)).try_collect().await?;
            let relative = |path: &Path| {
                path.prefix_match(&root)
                    .map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
            };
            Ok(found.iter().filter_map(|object| relative(&object.location)).collect())
        })
    }
}

/// Each error of the client repeats those below it, but for the last, which says what the system said.
fn failure(object: String, error: &Error) -> ObjectError {
    let mut reason = error.to_string();
    let causes = iter::successors(error.source(), |&cause| cause.source());
    if let Some(cause) = causes.last().map(ToString::to_string).filter(|cause| !reason.contains(cause.as_str())) {
        reason = format!("{reason}: {cause}");
    }
    ObjectError { object, reason }
}
