//! A request that is too large is RESOURCE_EXHAUSTED, as other gRPC servers answer it; tonic says OUT_OF_RANGE, which
//! nothing here uses otherwise.
use std::task::{Context, Poll};

use tonic::Code;
use tonic::codegen::http::{HeaderValue, Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;

#[derive(Clone)]
pub(crate) struct TooLargeIsExhausted<S>(pub(crate) S);

impl<S: NamedService> NamedService for TooLargeIsExhausted<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, R> Service<Request<B>> for TooLargeIsExhausted<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            if let Some(status) = answer.headers_mut().get_mut("grpc-status")
                && *status == (Code::OutOfRange as i32).to_string()
            {
                *status = HeaderValue::from(Code::ResourceExhausted as i32);
            }
            Ok(answer)
        })
    }
}
