"""sentence-transformers behind FastAPI and uvicorn: OpenAI's /v1/embeddings, a text or a list.

    st_server.py MODEL PORT THREADS

One call at a time, all on one thread: torch works on a call with all its threads, and has a team of them, which spins
for a while after its work, for each thread that calls it. On FastAPI's own pool 8 clients get two thirds of the speed
of one.
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer

folder, port, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
model = SentenceTransformer(folder, device="cpu")
one_thread = ThreadPoolExecutor(max_workers=1)
app = FastAPI()


class EmbeddingsRequest(BaseModel):
    input: str | list[str]
    model: str


@app.post("/v1/embeddings")
async def embeddings(request: EmbeddingsRequest) -> dict:
    texts = [request.input] if isinstance(request.input, str) else request.input
    vectors = await asyncio.get_running_loop().run_in_executor(one_thread, model.encode, texts)
    data = [{"object": "embedding", "index": i, "embedding": row.tolist()} for i, row in enumerate(vectors)]
    return {"object": "list", "model": request.model, "data": data}


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
