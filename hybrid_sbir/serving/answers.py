"""What the interface answers, as its description shows it."""

from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from hybrid_sbir.serving.engine import Found


class PhotoFound(BaseModel):
    """A photo that was found."""

    rank: int = Field(description="from 1", examples=[1])
    id: str = Field(description="its path in the catalogue", examples=["zebra/0012.jpg"])
    score: float = Field(
        description="what it is ranked by: the cosine of the sketch's and the photo's vectors or, re-ranked, 0 at most",
        examples=[0.73],
    )
    photo: str = Field(description="where it is", examples=["/photos/zebra/0012.jpg"])
    thumbnail: str = Field(description="where a small one is", examples=["/photos/zebra/0012.jpg?size=small"])


class SearchAnswer(BaseModel):
    """What a sketch found."""

    hits: list[PhotoFound] = Field(description="nearest first")
    photos: int = Field(description="how many were searched", examples=[7893])
    milliseconds: dict[str, float] = Field(
        description="time a stage took", examples=[{"prepare": 4.1, "queue": 0.2, "embed": 9.8, "search": 0.7}]
    )


class Health(BaseModel):
    """Whether the server answers, and with what; the rest is told to those with the token only."""

    model_config = ConfigDict(protected_namespaces=())
    ready: bool
    photos: int | None = Field(None, examples=[7893])
    embedding_size: int | None = Field(None, examples=[128])
    index: str | None = Field(None, description="the index's folder", examples=["photos.index"])
    model: str | None = Field(None, description="the model's name", examples=["stage3"])
    store: str | None = Field(None, description="how vectors are searched", examples=["exact"])
    waiting: int | None = Field(None, description="queries not answered yet", examples=[0])
    problem: str | None = Field(None, description="why the newest state of the index is not served")


class Token(BaseModel):
    """What is asked for at the door."""

    model_config = ConfigDict(extra="forbid")
    token: str = Field(min_length=1, max_length=1000)


def answer_of(found: Found) -> SearchAnswer:
    """Put what was found into the interface's words."""
    hits = []
    for hit in found.hits:
        where = f"/photos/{quote(hit.id, safe='/')}"
        hits.append(
            PhotoFound(
                rank=hit.rank, id=hit.id, score=round(hit.score, 6), photo=where, thumbnail=f"{where}?size=small"
            )
        )
    took = {stage: round(value, 2) for stage, value in found.milliseconds.items()}
    return SearchAnswer(hits=hits, photos=len(found.search.photos), milliseconds=took)
