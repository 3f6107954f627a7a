//! An HTTP server that answers as CometBFT does.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Answers a method with parameters.
pub(crate) type Handler = Arc<dyn Fn(&str, &Value) -> Vec<u8> + Send + Sync>;

/// Serves one answer a connection; returns the URL.
pub(crate) async fn serve(handler: Handler) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let handler = handler.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                let body = loop {
                    let mut buffer = [0; 4096];
                    let n = stream.read(&mut buffer).await.unwrap();
                    request.extend_from_slice(&buffer[..n]);
                    let text = String::from_utf8_lossy(&request);
                    if let Some((_, body)) = text.split_once("\r\n\r\n")
                        && let Ok(body) = serde_json::from_str::<Value>(body)
                    {
                        break body;
                    }
                };
                let reply = handler(body["method"].as_str().unwrap(), &body["params"]);
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    reply.len()
                );
                stream.write_all(head.as_bytes()).await.unwrap();
                let _ = stream.write_all(&reply).await;
            });
        }
    });
    url
}

/// A JSON-RPC answer.
pub(crate) fn result(value: Value) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": 1, "result": value}).to_string().into_bytes()
}
