"""sentence-transformers behind FastAPI and uvicorn: OpenAI's /v1/embeddings, a text or a list.

    st_server.py MODEL PORT THREADS

One call at a time: torch works on a call with all threads, and two at once only share them.
"""

import sys
import threading

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer

folder, port, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
model = SentenceTransformer(folder, device="cpu")
one_at_a_time = threading.Lock()
app = FastAPI()


class EmbeddingsRequest(BaseModel):
    input: str | list[str]
    model: str


@app.post("/v1/embeddings")
def embeddings(request: EmbeddingsRequest) -> dict:
    """Runs on FastAPI's pool of threads, so that connections are served meanwhile."""
    texts = [request.input] if isinstance(request.input, str) else request.input
    with one_at_a_time:
        vectors = model.encode(texts)
    data = [{"object": "embedding", "index": i, "embedding": row.tolist()} for i, row in enumerate(vectors)]
    return {"object": "list", "model": request.model, "data": data}


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
