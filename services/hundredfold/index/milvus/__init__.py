"""Indexes in Milvus, for collections that one machine can't hold."""
