"""A collection keeps judged questions, and what its systems were measured to be worth on them.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PROSE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _label(characters: int) -> sa.String:
    return sa.String(characters).with_variant(sa.String(characters, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables; nothing is judged yet."""
    op.create_table(
        "judgement_sets",
        sa.Column("id", _ID, nullable=False),
        sa.Column("collection_id", _ID, nullable=False),
        sa.Column("name", _label(100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_judgement_sets_collection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judgement_sets")),
        sa.UniqueConstraint("collection_id", "name", name=op.f("uq_judgement_sets_collection_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "judged_questions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("set_id", _ID, nullable=False),
        sa.Column("key", _PROSE, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["set_id"], ["judgement_sets.id"], name=op.f("fk_judged_questions_set_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judged_questions")),
        sa.UniqueConstraint("set_id", "key", name=op.f("uq_judged_questions_set_id_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "judgements",
        sa.Column("question_id", _ID, nullable=False),
        sa.Column("document_key", _PROSE, nullable=False),
        sa.Column("grade", sa.Integer(), nullable=False),
        sa.Column("made_by", _label(100), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["question_id"],
            ["judged_questions.id"],
            name=op.f("fk_judgements_question_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("question_id", "document_key", name=op.f("pk_judgements")),
    )
    op.create_table(
        "evaluation_runs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("set_id", _ID, nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("system", _label(100), nullable=False),
        sa.Column("imported", sa.Boolean(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("generation_id", sa.BigInteger(), nullable=True),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.Column("last_change_number", sa.BigInteger(), nullable=False),
        sa.Column("judgements_digest", sa.String(length=64), nullable=False),
        sa.Column("questions", sa.Integer(), nullable=False),
        sa.Column("judged_documents", sa.Integer(), nullable=False),
        sa.Column("missing_documents", sa.Integer(), nullable=False),
        sa.Column("changed_documents", sa.Integer(), nullable=False),
        sa.Column("measures", sa.JSON(), nullable=False),
        sa.Column("ms_per_query_p50", sa.Double(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["set_id"], ["judgement_sets.id"], name=op.f("fk_evaluation_runs_set_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation_runs")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_evaluation_runs_set_id_id"), "evaluation_runs", ["set_id", "id"])
    op.create_table(
        "evaluated_questions",
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("key", _PROSE, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("measures", sa.JSON(), nullable=False),
        sa.Column("ranking", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["evaluation_runs.id"],
            name=op.f("fk_evaluated_questions_run_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", "ordinal", name=op.f("pk_evaluated_questions")),
    )


def downgrade() -> None:
    """Drop the tables; judgements and runs are lost."""
    for table in (
        "evaluated_questions",
        "evaluation_runs",
        "judgements",
        "judged_questions",
        "judgement_sets",
    ):
        op.drop_table(table)
