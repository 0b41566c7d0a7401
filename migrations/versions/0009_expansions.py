"""In which modes the questions to a collection are expanded.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table, empty: questions go on being asked as they are."""
    op.create_table(
        "expansions",
        sa.Column("collection_id", _ID, nullable=False),
        sa.Column("shares", sa.JSON(), nullable=False),
        sa.Column("made_of", sa.JSON(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_expansions_collection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", name=op.f("pk_expansions")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("expansions")
