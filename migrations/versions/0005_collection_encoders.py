"""A collection has several encoders, each with a generation of its own.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table, move every collection's pointer into its row, and let tasks say what they are to do."""
    op.create_table(
        "collection_encoders",
        sa.Column("collection_id", _ID, nullable=False),
        sa.Column("encoder_id", _ID, nullable=False),
        sa.Column("active_generation_id", sa.BigInteger(), nullable=True),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("fit_on", sa.Integer(), nullable=True),
        sa.Column("made_of", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_collection_encoders_collection_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["encoder_id"], ["encoders.id"], name=op.f("fk_collection_encoders_encoder_id")
        ),
        sa.PrimaryKeyConstraint("collection_id", "encoder_id", name=op.f("pk_collection_encoders")),
    )
    op.execute(
        "INSERT INTO collection_encoders "
        "(collection_id, encoder_id, active_generation_id, complete, created_at) "
        "SELECT id, encoder_id, active_generation_id, true, created_at FROM collections"
    )
    op.drop_column("collections", "active_generation_id")
    op.add_column("tasks", sa.Column("options", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Move the pointers back; what was fit on collections is lost."""
    op.add_column("collections", sa.Column("active_generation_id", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE collections SET active_generation_id = (SELECT active_generation_id FROM collection_encoders "
        "WHERE collection_id = collections.id AND encoder_id = collections.encoder_id)"
    )
    op.drop_column("tasks", "options")
    op.drop_table("collection_encoders")
