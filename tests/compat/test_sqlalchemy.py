"""SQLAlchemy on asyncio: the core and the ORM by greenlets, on aiosqlite and asyncpg; its pool."""

from __future__ import annotations

from compat.databases import SHARED
from compat.support import check_same, needs

pytestmark = needs('sqlalchemy', 'greenlet')

IMPORTS = 'sqlalchemy, sqlalchemy.ext.asyncio, sqlalchemy.orm, sqlalchemy.pool'

MODEL = (
    SHARED
    + """
from sqlalchemy import ForeignKey, func, select, text
from sqlalchemy.ext.asyncio import (
    AsyncAttrs, async_sessionmaker, async_scoped_session, create_async_engine)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

class Base(AsyncAttrs, DeclarativeBase):
    pass

class Author(Base):
    __tablename__ = 'authors'
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    books: Mapped[list['Book']] = relationship(order_by='Book.id')

class Book(Base):
    __tablename__ = 'books'
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey('authors.id'))

def kind(exc):
    return type(exc).__name__, type(getattr(exc, 'orig', None)).__name__

async def use(engine):
    seen = []
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    session_of = async_sessionmaker(engine, expire_on_commit=False)
    async with session_of.begin() as session:
        session.add_all(
            Author(id=n, name=f'author {n}', books=[Book(title=f'book {n} {m}') for m in range(3)])
            for n in range(1, 6))
    async with session_of() as session:
        query = select(Author).options(selectinload(Author.books)).order_by(Author.id)
        for author in (await session.scalars(query)).all():
            seen.append((author.name, [book.title for book in author.books]))
        author = await session.get(Author, 2)
        author.name = 'changed'
        await session.commit()
        await session.refresh(author)
        lazy = (await session.scalars(select(Author).where(Author.id == 3))).one()
        session.expire(lazy)
        seen += [author.name, len(await lazy.awaitable_attrs.books)]
        session.add(Author(name='author 4'))
        try:
            await session.flush()
        except sqlalchemy.exc.IntegrityError as exc:
            seen.append(kind(exc))
        await session.rollback()
        async with session.begin_nested():
            session.add(Author(id=50, name='nested'))
        result = await session.stream(select(Book.title).order_by(Book.id))
        seen.append([row.title async for row in result])
        await session.rollback()

    async def ask(number):
        async with session_of() as session:
            return await session.scalar(select(func.count(Book.id)).where(Book.author_id < number))

    seen.append(await asyncio.gather(*(ask(n) for n in range(10))))
    scoped = async_scoped_session(session_of, asyncio.current_task)
    seen.append(await scoped.scalar(select(func.count(Author.id))))
    await scoped.remove()
    async with engine.connect() as connection:
        seen.append(await connection.run_sync(lambda sync: sync.scalar(text('SELECT 7'))))
    return seen
"""
)


@needs('aiosqlite')
def test_on_aiosqlite(tmp_path):
    check_same(
        MODEL
        + """
async def main():
    engine = create_async_engine(f'sqlite+aiosqlite:///{DIRECTORY}/{NAME}')
    seen = await use(engine)
    await engine.dispose()
    return seen

run(main)
""",
        IMPORTS + ', aiosqlite',
        DIRECTORY=str(tmp_path),
    )


@needs('asyncpg')
def test_on_asyncpg(postgres):
    check_same(
        MODEL
        + """
async def main():
    url = f'postgresql+asyncpg://postgres@127.0.0.1:{PORT}/postgres'
    arguments = {'ssl': False, 'server_settings': {'search_path': NAME}}
    engine = create_async_engine(
        url, connect_args=arguments, pool_size=2, max_overflow=1, pool_timeout=10,
        pool_pre_ping=True)
    async with engine.begin() as connection:
        await connection.execute(text(f'CREATE SCHEMA {NAME}'))
    seen = await use(engine)

    async with async_sessionmaker(engine)() as session:
        author = await session.get(Author, 1)
        try:
            author.books
        except sqlalchemy.exc.MissingGreenlet as exc:
            seen.append(kind(exc))

    # The pool has no more; a waiter gets what comes back.
    held = [await engine.connect() for _ in range(3)]
    waiting = asyncio.create_task(scalar(engine, 'SELECT 1'))
    seen.append(await failure(asyncio.wait_for(scalar(engine, 'SELECT 2'), 0.02)))
    await held.pop().close()
    seen.append(await waiting)

    # Cancelled in the middle of a query, the connection does not go back.
    pid = await held[0].scalar(text('SELECT pg_backend_pid()'))
    task = asyncio.create_task(held[0].execute(text('SELECT pg_sleep(60)')))
    query = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'"
    while not await scalar(engine, query):
        await asyncio.sleep(0)
    task.cancel()
    seen.append(repr(await asyncio.gather(task, return_exceptions=True)))
    for connection in held:
        await connection.close()
    seen.append(await asyncio.gather(*(scalar(engine, f'SELECT {n}') for n in range(9))))

    # The server ends a connection in use, and one that lies in the pool.
    for _ in range(2):
        async with engine.connect() as first, engine.connect() as second:
            pid = await first.scalar(text('SELECT pg_backend_pid()'))
            await second.execute(text(f'SELECT pg_terminate_backend({pid})'))
            try:
                await first.execute(text('SELECT 1'))
            except sqlalchemy.exc.DBAPIError as exc:
                # Which error depends on how far the server is.
                seen.append(exc.connection_invalidated)
    async with engine.connect() as first, engine.connect() as second:
        pid = await first.scalar(text('SELECT pg_backend_pid()'))
        await first.rollback()
        await second.execute(text(f'SELECT pg_terminate_backend({pid})'))
    seen.append(await asyncio.gather(*(scalar(engine, f'SELECT {n}') for n in range(9))))
    async with engine.begin() as connection:
        await connection.execute(text(f'DROP SCHEMA {NAME} CASCADE'))
    await engine.dispose()
    return seen

async def scalar(engine, query):
    async with engine.connect() as connection:
        return await connection.scalar(text(query))

run(main)
""",
        IMPORTS + ', asyncpg',
        PORT=postgres.port,
    )
